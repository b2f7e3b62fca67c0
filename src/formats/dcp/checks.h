#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/dcp/metadata.h"
#include "model/object.h"
#include "model/pickle_program.h"

namespace torchvet {

/// What torch's classes ask of the objects in a `.metadata`, beyond what is read of them here.

/// Whether an object is a TensorProperties with a state that its __setstate__ takes: (dtype, layout,
/// requires_grad, memory format, pin_memory).
[[nodiscard]] bool are_tensor_properties(const ObjectTree& tree, ObjectId id);

/// The first call that ends the load of a `.metadata` pickle, and why: of what is no class, or of a class
/// of torch.distributed.checkpoint without the arguments that it needs.
[[nodiscard]] std::optional<std::pair<ObjectId, std::string>> bad_dcp_call(
    const ObjectTree& tree, const PickleProgram& program);

/// The nested dicts and lists that `planner_data` tells of. torch makes them anew where it loads a
/// checkpoint without a state_dict to load into, and looks for each value under the name that the keys on
/// the way to it make.
class DcpPlan {
 public:
  /// Adds the way to an entry. Says why the entry would not be found; nothing when it would be.
  [[nodiscard]] std::optional<std::string> add(std::string_view name,
                                               const std::vector<DcpEntry::Key>& path);

 private:
  std::unordered_map<std::string, bool> is_list_;  ///< of each container, by the keys on the way to it
};

}  // namespace torchvet
