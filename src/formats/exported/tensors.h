#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <set>

#include "formats/exported/graph.h"
#include "formats/fault_list.h"
#include "formats/nested_files.h"
#include "formats/zip.h"
#include "json/document.h"
#include "model/artifact.h"

namespace torchvet {

/// What the signature of a program says of its tensors: names of those that are registered.
struct RegisteredNames {
  std::set<std::string> parameters;
  std::set<std::string> buffers;
  std::set<std::string> not_persistent;  ///< of the buffers
  std::set<std::string> constants;
};

/// Reads the tensors of one model. Today two configs give each its record, type, shape and strides:
///
///   {"config": {"fc.weight": {"path_name": "weight_0", "is_param": true, "use_pickle": false,
///                             "tensor_meta": {"dtype": 7, "sizes": [{"as_int": 4}], ...}}}}
///
/// A record holds the bytes of a whole storage; tensors with the same `path_name` share it. Tensors
/// of other classes than torch's own, and objects, have a file of torch.save for a record. Before,
/// all tensors of a model lay in two files of torch.save.
class ExportedTensors {
 public:
  struct Archive {
    ByteView file;
    const ZipDirectory& zip;
    NestedFiles& nested;
    const Limits& limits;
    bool big_endian = false;
    std::string prefix;  ///< of all paths, "encoder.": set where the archive has several models
  };

  /// References must outlive this.
  ExportedTensors(const Archive& archive, const RegisteredNames& registered, Artifact& artifact)
      : archive_(archive), registered_(registered), artifact_(artifact) {}

  /// Parameters and persistent buffers, in the order of the config.
  void read_weights(Json config, const std::string& member);
  /// Buffers that are not persistent, and the constants of the program.
  void read_constants(Json config, const std::string& member);

  /// The same from a dict that a file of torch.save holds.
  void read_weights(ObjectId dict, const std::string& member);
  void read_constants(ObjectId dict, const std::string& member);

  [[nodiscard]] const ConstantIndex& constants() const { return constants_; }

 private:
  struct Entry {
    std::string_view name;
    Json value;
    std::string folder;  ///< "data/weights/"
  };
  std::optional<TensorId> read(const Entry& entry, FaultList& faults);
  std::optional<TensorId> read_pickled(const Entry& entry, const std::string& record,
                                       FaultList& faults);
  std::optional<Tensor> described(std::string_view name, std::optional<Json> meta,
                                  FaultList& faults);
  std::optional<TensorId> adopt(std::string_view name, ObjectId value, FaultList& faults);
  std::optional<TensorId> adopt_fake(std::string_view name, ObjectId call, FaultList& faults);
  void compare_with_signature(std::string_view name, Json payload, FaultList& faults);
  void set_constant_role(TensorId id, std::string_view name);
  [[nodiscard]] std::string path_of(std::string_view name) const;
  void name_parts(ObjectId root, std::string_view name);
  std::optional<StorageId> storage_of(const std::string& path, const Tensor& tensor,
                                      FaultList& faults);

  const Archive& archive_;
  const RegisteredNames& registered_;
  Artifact& artifact_;
  ConstantIndex constants_;
  std::unordered_map<std::string, StorageId> by_path_;
};

}  // namespace torchvet
