#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace torchvet {

/// The functions that LibTorch's unpickler has, by what they do.
enum class LibtorchFunction : std::uint8_t {
  kTensorOfTable,       ///< __main__.TensorID
  kIntList,             ///< __main__.IntList
  kTensorFromId,        ///< torch.jit._pickle.build_tensor_from_id
  kRestoreTypeTag,      ///< torch.jit._pickle.restore_type_tag
  kBuildIntList,        ///< torch.jit._pickle.build_intlist; the others alike
  kBuildTensorList,
  kBuildDoubleList,
  kBuildBoolList,
  kRebuildTensor,
  kRebuildQuantized,
  kRebuildFromType,
  kRebuildParameter,
  kRebuildSparse,
  kComplex,
  kOrderedDict,
  kDevice,
  kRemoteReference,
  kMakeObject,  ///< of a class of the program
  kMakeEnum,
};

/// The function that LibTorch's unpickler finds under a name; nothing when it has none, as for the
/// classes of a program and for what torch names as a number (storages, ways of quantizing).
/// Source: `Unpickler::readGlobal` of torch/csrc/jit/serialization/unpickler.cpp, 2.13. Releases
/// before wrote no other names.
[[nodiscard]] std::optional<LibtorchFunction> libtorch_function(std::string_view module,
                                                                std::string_view name);

}  // namespace torchvet
