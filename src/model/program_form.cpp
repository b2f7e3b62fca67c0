#include "model/program_form.h"

namespace torchvet {

ProgramForm program_form(const Artifact& artifact) {
  if (artifact.script) {
    return artifact.script->traced ? ProgramForm::kTrace : ProgramForm::kScript;
  }
  if (!artifact.exported || artifact.graphs.empty()) return ProgramForm::kNone;
  return artifact.exported->decomposed ? ProgramForm::kDecomposedExport : ProgramForm::kExport;
}

std::string_view name_of(ProgramForm form) {
  switch (form) {
    case ProgramForm::kNone:
      return "";
    case ProgramForm::kScript:
      return "a script";
    case ProgramForm::kTrace:
      return "a trace";
    case ProgramForm::kExport:
      return "an exported program";
    case ProgramForm::kDecomposedExport:
      return "a decomposed export";
  }
  return "";
}

std::optional<std::int64_t> example_batch(const Artifact& artifact) {
  std::optional<std::int64_t> batch;
  for (const Tensor& tensor : artifact.tensors) {
    if (tensor.role != TensorRole::kExampleInput || tensor.shape.empty()) continue;
    if (batch && *batch != tensor.shape[0]) return std::nullopt;
    batch = tensor.shape[0];
  }
  return batch && *batch >= 2 ? batch : std::nullopt;
}

}  // namespace torchvet
