#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "formats/exported_graph.h"
#include "formats/fault_list.h"
#include "formats/json.h"
#include "formats/zip.h"
#include "model/artifact.h"

namespace torchvet {

/// What the signature of a program says of the entries of its constants config.
struct ExportedSignature {
  std::unordered_set<std::string> buffers;  ///< registered, though not persistent
};

/// Reads the two configs of a model, which give each tensor its record, type, shape and strides:
///
///   {"config": {"fc.weight": {"path_name": "weight_0", "is_param": true, "use_pickle": false,
///                             "tensor_meta": {"dtype": 7, "sizes": [{"as_int": 4}], ...}}}}
///
/// A record holds the bytes of a whole storage; tensors with the same `path_name` share it.
class ExportedTensors {
 public:
  /// References must outlive this.
  ExportedTensors(ByteView file, const ZipDirectory& zip, bool big_endian, Artifact& artifact)
      : file_(file), zip_(zip), big_endian_(big_endian), artifact_(artifact) {}

  /// Parameters and persistent buffers, in the order of the config. Records that are pickles are
  /// appended to `pickles`.
  void read_weights(Json config, const std::string& member, std::vector<MemberId>& pickles);

  /// Buffers that are not persistent, and the constants of the program.
  void read_constants(Json config, const std::string& member, const ExportedSignature& signature,
                      std::vector<MemberId>& pickles);

  [[nodiscard]] const ConstantIndex& constants() const { return constants_; }

 private:
  struct Entry {
    std::string_view name;
    Json value;
    std::string folder;  ///< "data/weights/"
  };
  std::optional<TensorId> read(const Entry& entry, FaultList& faults,
                               std::vector<MemberId>& pickles);
  std::optional<StorageId> storage_of(const std::string& path, DType dtype, std::string device,
                                      const Tensor& tensor, FaultList& faults);

  ByteView file_;
  const ZipDirectory& zip_;
  bool big_endian_;
  Artifact& artifact_;
  ConstantIndex constants_;
  std::unordered_map<std::string, StorageId> by_path_;
};

}  // namespace torchvet
