#include "formats/exported/classes.h"

#include <cstddef>
#include <iterator>

namespace torchvet::exported {
namespace {

// clang-format off
constexpr Field kSymExprHintFields[] = {{"as_int", kWhole}, {"as_bool", kFlag}, {"as_float", kNumber}};
constexpr Field kSymExprFields[] = {{"expr_str", kText}, {"hint", kSymExprHint, kOne, kNullableOrNone}};
constexpr Field kSymIntFields[] = {{"as_expr", kSymExpr}, {"as_int", kWhole}};
constexpr Field kSymFloatFields[] = {{"as_expr", kSymExpr}, {"as_float", kNumber}};
constexpr Field kSymBoolFields[] = {{"as_expr", kSymExpr}, {"as_bool", kFlag}};
constexpr Field kDeviceFields[] = {{"type", kText}, {"index", kWhole, kOne, kNullableOrNone}};
constexpr Field kTensorMetaFields[] = {
    {"dtype", kDType}, {"sizes", kSymInt, kList}, {"requires_grad", kFlag}, {"device", kDevice},
    {"strides", kSymInt, kList}, {"storage_offset", kSymInt}, {"layout", kLayout}};
constexpr Field kSymIntArgumentFields[] = {{"as_name", kText}, {"as_int", kWhole}};
constexpr Field kSymFloatArgumentFields[] = {{"as_name", kText}, {"as_float", kNumber}};
constexpr Field kSymBoolArgumentFields[] = {{"as_name", kText}, {"as_bool", kFlag}};
constexpr Field kNamedFields[] = {{"name", kText}};
constexpr Field kOptionalTensorFields[] = {{"as_tensor", kNamed}, {"as_none", kFlag}};
constexpr Field kGraphArgumentFields[] = {{"name", kText}, {"graph", kGraph}};
constexpr Field kCustomObjectFields[] = {{"name", kText}, {"class_fqn", kText}};
constexpr Field kComplexFields[] = {{"real", kNumber}, {"imag", kNumber}};
constexpr Field kArgumentFields[] = {
    {"as_none", kFlag}, {"as_tensor", kNamed}, {"as_tensors", kNamed, kList}, {"as_int", kWhole},
    {"as_ints", kWhole, kList}, {"as_float", kNumber}, {"as_floats", kNumber, kList}, {"as_string", kText},
    {"as_strings", kText, kList}, {"as_sym_int", kSymIntArgument},
    {"as_sym_ints", kSymIntArgument, kList}, {"as_scalar_type", kWhole}, {"as_memory_format", kWhole},
    {"as_layout", kWhole}, {"as_device", kDevice}, {"as_bool", kFlag}, {"as_bools", kFlag, kList},
    {"as_sym_bool", kSymBoolArgument}, {"as_sym_bools", kSymBoolArgument, kList},
    {"as_graph", kGraphArgument}, {"as_optional_tensors", kOptionalTensor, kList},
    {"as_custom_obj", kCustomObject}, {"as_operator", kText}, {"as_sym_float", kSymFloatArgument},
    {"as_sym_floats", kSymFloatArgument, kList}, {"as_optional_tensor", kOptionalTensor},
    {"as_complex", kComplex}, {"as_nested_tensors", kNamed, kLists},
    {"as_int_lists", kWhole, kLists}, {"as_string_to_argument", kArgument, kDict},
    {"as_float_lists", kNumber, kLists}};
constexpr Field kNamedArgumentFields[] = {
    {"name", kText}, {"arg", kArgument}, {"kind", kWhole, kOne, kNullableOrNone}};
constexpr Field kNodeFields[] = {
    {"target", kText}, {"inputs", kNamedArgument, kList}, {"outputs", kArgument, kList},
    {"metadata", kText, kDict}, {"is_hop_single_tensor_return", kFlag, kOne, kNullableOrNone},
    {"name", kText, kOne, kNullableOrNone}};
constexpr Field kGraphFields[] = {
    {"inputs", kArgument, kList}, {"outputs", kArgument, kList}, {"nodes", kNode, kList},
    {"tensor_values", kTensorMeta, kDict}, {"sym_int_values", kSymInt, kDict},
    {"sym_bool_values", kSymBool, kDict}, {"custom_obj_values", kCustomObject, kDict, kOptional},
    {"sym_float_values", kSymFloat, kDict, kOptional}, {"is_single_tensor_return", kFlag, kOne, kOptional}};
constexpr Field kUserInputFields[] = {{"arg", kArgument}};
constexpr Field kConstantValueFields[] = {
    {"as_none", kFlag}, {"as_int", kWhole}, {"as_float", kNumber}, {"as_string", kText}, {"as_bool", kFlag}};
constexpr Field kConstantInputFields[] = {{"name", kText}, {"value", kConstantValue}};
constexpr Field kParameterInputFields[] = {{"arg", kNamed}, {"parameter_name", kText}};
constexpr Field kBufferInputFields[] = {{"arg", kNamed}, {"buffer_name", kText}, {"persistent", kFlag}};
constexpr Field kConstantTensorInputFields[] = {{"arg", kNamed}, {"tensor_constant_name", kText}};
constexpr Field kCustomObjectInputFields[] = {{"arg", kCustomObject}, {"custom_obj_name", kText}};
constexpr Field kTokenSpecFields[] = {{"arg", kNamed}};
constexpr Field kInputSpecFields[] = {
    {"user_input", kUserInput}, {"parameter", kParameterInput}, {"buffer", kBufferInput},
    {"tensor_constant", kConstantTensorInput}, {"custom_obj", kCustomObjectInput},
    {"token", kTokenSpec}, {"constant_input", kConstantInput}};
constexpr Field kUserOutputFields[] = {{"arg", kArgument}};
constexpr Field kLossOutputFields[] = {{"arg", kNamed}};
constexpr Field kBufferOutputFields[] = {{"arg", kNamed}, {"buffer_name", kText}};
constexpr Field kParameterOutputFields[] = {{"arg", kNamed}, {"parameter_name", kText}};
constexpr Field kUserInputOutputFields[] = {{"arg", kNamed}, {"user_input_name", kText}};
constexpr Field kOutputSpecFields[] = {
    {"user_output", kUserOutput}, {"loss_output", kLossOutput}, {"buffer_mutation", kBufferOutput},
    {"gradient_to_parameter", kParameterOutput}, {"gradient_to_user_input", kUserInputOutput},
    {"user_input_mutation", kUserInputOutput}, {"token", kTokenSpec},
    {"parameter_mutation", kParameterOutput}};
constexpr Field kSignatureFields[] = {
    {"input_specs", kInputSpec, kList}, {"output_specs", kOutputSpec, kList}};
constexpr Field kRangeFields[] = {{"min_val", kWhole, kOne, kNullable}, {"max_val", kWhole, kOne, kNullable}};
constexpr Field kCallSignatureFields[] = {
    {"inputs", kArgument, kList}, {"outputs", kArgument, kList}, {"in_spec", kText}, {"out_spec", kText},
    {"forward_arg_names", kText, kList, kNullableOrNone}};
constexpr Field kCallEntryFields[] = {{"fqn", kText}, {"signature", kCallSignature, kOne, kNullableOrNone}};
constexpr Field kNamedTupleFields[] = {{"field_names", kText, kList}};
constexpr Field kGraphModuleFields[] = {
    {"graph", kGraph}, {"signature", kSignature}, {"module_call_graph", kCallEntry, kList},
    {"metadata", kText, kDict, kOptional},
    {"treespec_namedtuple_fields", kNamedTuple, kDict, kOptional}};
constexpr Field kVersionFields[] = {{"major", kWhole}, {"minor", kWhole}};
constexpr Field kProgramFields[] = {
    {"graph_module", kGraphModule}, {"opset_version", kUnread},
    {"range_constraints", kRange, kDict}, {"schema_version", kVersion},
    {"verifiers", kText, kList, kOptional}, {"guards_code", kText, kList, kOptional},
    {"torch_version", kText, kOne, kOptional}};
constexpr Field kPayloadFields[] = {
    {"path_name", kText}, {"is_param", kFlag}, {"use_pickle", kFlag}, {"tensor_meta", kTensorMeta, kOne, kNullable}};
constexpr Field kPayloadsFields[] = {{"config", kPayload, kDict}};

constexpr Row kRows[] = {
    {kUnread, "table of numbers", false, {}}, {kNumber, "number", false, {}},
    {kText, "text", false, {}}, {kWhole, "whole number", false, {}},
    {kFlag, "truth value", false, {}}, {kDType, "element type of torch", false, {}},
    {kLayout, "layout of torch", false, {}},
    {kSymExprHint, "SymExprHint", true, kSymExprHintFields},
    {kSymExpr, "SymExpr", false, kSymExprFields},
    {kSymInt, "SymInt", true, kSymIntFields},
    {kSymFloat, "SymFloat", true, kSymFloatFields},
    {kSymBool, "SymBool", true, kSymBoolFields},
    {kDevice, "Device", false, kDeviceFields},
    {kTensorMeta, "TensorMeta", false, kTensorMetaFields},
    {kSymIntArgument, "SymIntArgument", true, kSymIntArgumentFields},
    {kSymFloatArgument, "SymFloatArgument", true, kSymFloatArgumentFields},
    {kSymBoolArgument, "SymBoolArgument", true, kSymBoolArgumentFields},
    {kNamed, "TensorArgument", false, kNamedFields},
    {kOptionalTensor, "OptionalTensorArgument", true, kOptionalTensorFields},
    {kGraphArgument, "GraphArgument", false, kGraphArgumentFields},
    {kCustomObject, "CustomObjArgument", false, kCustomObjectFields},
    {kComplex, "ComplexValue", false, kComplexFields},
    {kArgument, "Argument", true, kArgumentFields},
    {kNamedArgument, "NamedArgument", false, kNamedArgumentFields},
    {kNode, "Node", false, kNodeFields},
    {kGraph, "Graph", false, kGraphFields},
    {kUserInput, "UserInputSpec", false, kUserInputFields},
    {kConstantValue, "ConstantValue", true, kConstantValueFields},
    {kConstantInput, "InputToConstantInputSpec", false, kConstantInputFields},
    {kParameterInput, "InputToParameterSpec", false, kParameterInputFields},
    {kBufferInput, "InputToBufferSpec", false, kBufferInputFields},
    {kConstantTensorInput, "InputToTensorConstantSpec", false, kConstantTensorInputFields},
    {kCustomObjectInput, "InputToCustomObjSpec", false, kCustomObjectInputFields},
    {kTokenSpec, "InputTokenSpec", false, kTokenSpecFields},
    {kInputSpec, "InputSpec", true, kInputSpecFields},
    {kUserOutput, "UserOutputSpec", false, kUserOutputFields},
    {kLossOutput, "LossOutputSpec", false, kLossOutputFields},
    {kBufferOutput, "BufferMutationSpec", false, kBufferOutputFields},
    {kParameterOutput, "ParameterMutationSpec", false, kParameterOutputFields},
    {kUserInputOutput, "UserInputMutationSpec", false, kUserInputOutputFields},
    {kOutputSpec, "OutputSpec", true, kOutputSpecFields},
    {kSignature, "GraphSignature", false, kSignatureFields},
    {kRange, "RangeConstraint", false, kRangeFields},
    {kCallSignature, "ModuleCallSignature", false, kCallSignatureFields},
    {kCallEntry, "ModuleCallEntry", false, kCallEntryFields},
    {kNamedTuple, "NamedTupleDef", false, kNamedTupleFields},
    {kGraphModule, "GraphModule", false, kGraphModuleFields},
    {kVersion, "SchemaVersion", false, kVersionFields},
    {kProgram, "ExportedProgram", false, kProgramFields},
    {kPayload, "PayloadMeta", false, kPayloadFields},
    {kPayloads, "PayloadConfig", false, kPayloadsFields},
};
// clang-format on
static_assert([] {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<std::size_t>(kRows[i].is) != i) return false;
  }
  return true;
}());

}  // namespace

const Row& row_of(Class is) { return kRows[static_cast<std::size_t>(is)]; }

}  // namespace torchvet::exported
