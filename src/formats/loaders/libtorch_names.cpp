#include "formats/loaders/libtorch_names.h"

namespace torchvet {

std::optional<LibtorchFunction> libtorch_function(std::string_view module, std::string_view name) {
  using Function = LibtorchFunction;
  struct Row {
    std::string_view module, name;
    Function function;
  };
  constexpr std::string_view kUtils = "torch._utils", kOwn = "torch.jit._pickle";
  constexpr Row kRows[] = {
      {"__main__", "TensorID", Function::kTensorOfTable},
      {"__main__", "IntList", Function::kIntList},
      {kOwn, "build_tensor_from_id", Function::kTensorFromId},
      {kOwn, "restore_type_tag", Function::kRestoreTypeTag},
      {kOwn, "build_intlist", Function::kBuildIntList},
      {kOwn, "build_tensorlist", Function::kBuildTensorList},
      {kOwn, "build_doublelist", Function::kBuildDoubleList},
      {kOwn, "build_boollist", Function::kBuildBoolList},
      {kUtils, "_rebuild_tensor_v2", Function::kRebuildTensor},
      {kUtils, "_rebuild_qtensor", Function::kRebuildQuantized},
      {"torch._tensor", "_rebuild_from_type_v2", Function::kRebuildFromType},
      {kUtils, "_rebuild_parameter", Function::kRebuildParameter},
      {kUtils, "_rebuild_sparse_tensor", Function::kRebuildSparse},
      {"builtins", "complex", Function::kComplex},
      {"collections", "OrderedDict", Function::kOrderedDict},
      {"torch", "device", Function::kDevice},
      {"torch.distributed.rpc", "rref", Function::kRemoteReference},
  };
  for (const Row& row : kRows) {
    if (row.module == module && row.name == name) return row.function;
  }
  return std::nullopt;
}

}  // namespace torchvet
