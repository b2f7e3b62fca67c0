#include <string_view>

#include "formats/loaders/values.h"

namespace torchvet {

bool is_sequence(LoadedKind kind) {
  return kind == LoadedKind::kList || kind == LoadedKind::kTuple || kind == LoadedKind::kSize;
}

bool is_no_iterable(const Loaded& value) {
  switch (value.kind) {
    case LoadedKind::kNone:
    case LoadedKind::kBool:
    case LoadedKind::kInt:
    case LoadedKind::kBigInt:
    case LoadedKind::kFloat:
    case LoadedKind::kComplex:
    case LoadedKind::kDevice:
    case LoadedKind::kLayout:
    case LoadedKind::kGlobal:
      return true;
    default:
      return false;
  }
}

std::string_view type_name(const Loaded& value) {
  switch (value.kind) {
    case LoadedKind::kNone:
      return "NoneType";
    case LoadedKind::kBool:
      return "bool";
    case LoadedKind::kInt:
    case LoadedKind::kBigInt:
      return "int";
    case LoadedKind::kFloat:
      return "float";
    case LoadedKind::kComplex:
      return "complex";
    case LoadedKind::kText:
      return "str";
    case LoadedKind::kBytes:
      return "bytes";
    case LoadedKind::kByteArray:
      return "bytearray";
    case LoadedKind::kTuple:
      return "tuple";
    case LoadedKind::kSize:
      return "torch.Size";
    case LoadedKind::kList:
      return "list";
    case LoadedKind::kSet:
      return "set";
    case LoadedKind::kDict:
      return "dict";
    case LoadedKind::kOrderedDict:
      return "collections.OrderedDict";
    case LoadedKind::kCounter:
      return "collections.Counter";
    case LoadedKind::kDevice:
      return "torch.device";
    case LoadedKind::kLayout:
      return "torch.layout";
    case LoadedKind::kStorage:
      return "torch.storage.TypedStorage";
    case LoadedKind::kTensor:
      return "torch.Tensor";
    case LoadedKind::kParameter:
      return "torch.nn.parameter.Parameter";
    case LoadedKind::kForeign:
      return "";
    case LoadedKind::kGlobal:
      break;
  }
  switch (value.allowed->kind) {
    case AllowedKind::kClass:
      return value.allowed->name == "torch.Tensor" ? "torch._C._TensorMeta"
             : value.allowed->name == "torch.nn.parameter.Parameter"
                 ? "torch.nn.parameter._ParameterMeta"
                 : "type";
    case AllowedKind::kFunction:
      return value.allowed->name == "_codecs.encode" ? "builtin_function_or_method" : "function";
    case AllowedKind::kDType:
      return "torch.dtype";
    case AllowedKind::kQScheme:
      return "torch.qscheme";
    case AllowedKind::kStorageType:
      return "torch.serialization.StorageType";
    case AllowedKind::kTensorType:
      return "torch.tensortype";
  }
  return "";
}

std::string_view short_type_name(const Loaded& value) {
  const std::string_view name = type_name(value);
  for (const std::string_view of_python : {"StorageType", "_ParameterMeta", "Counter"}) {
    if (name.ends_with(of_python)) return of_python;
  }
  return name;
}

}  // namespace torchvet
