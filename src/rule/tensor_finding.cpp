#include "rule/tensor_finding.h"

#include "model/artifact.h"

namespace torchvet {
namespace {

constexpr std::size_t kMaxNamed = 8;

std::string shape_text(const Tensor& tensor) {
  std::string text;
  for (const std::int64_t size : tensor.shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

}  // namespace

Finding finding_of_tensors(const Artifact& artifact, const StateDict& state,
                           const std::vector<TensorRemark>& tensors, std::string_view one,
                           std::string_view many) {
  Finding finding;
  if (tensors.size() == 1) {
    const StateEntry& entry = tensors.front().entry;
    finding.where = location_of(artifact, artifact.tensors[entry.tensor]);
    finding.message = "`" + entry.name + "` " + std::string(one);
  } else {
    finding.where.object_path = state.path;
    finding.message = std::to_string(tensors.size()) + " " + std::string(many);
  }
  for (const TensorRemark& tensor : tensors) {
    if (finding.evidence.size() == kMaxNamed) break;
    finding.evidence.push_back({"values", "`" + tensor.entry.name + "` " +
                                              shape_text(artifact.tensors[tensor.entry.tensor]) +
                                              ": " + tensor.remark});
  }
  return finding;
}

}  // namespace torchvet
