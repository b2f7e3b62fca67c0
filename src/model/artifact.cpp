#include "model/artifact.h"

#include <algorithm>
#include <utility>

#include "core/checked.h"

namespace torchvet {

std::string_view name_of(Format format) {
  switch (format) {
    case Format::kUnknown:
      return "unknown";
    case Format::kTorchZip:
      return "torch-zip";
    case Format::kTorchLegacy:
      return "torch-legacy";
    case Format::kTorchScript:
      return "torchscript";
    case Format::kExportedProgram:
      return "exported-program";
    case Format::kTorchPackage:
      return "torch-package";
    case Format::kTorchTar:
      return "torch-tar";
    case Format::kMobileFlatbuffer:
      return "mobile-flatbuffer";
    case Format::kSafetensors:
      return "safetensors";
    case Format::kShardedIndex:
      return "sharded-index";
    case Format::kTrainingFolder:
      return "training-folder";
    case Format::kDcpMetadata:
      return "dcp-metadata";
    case Format::kDcpParts:
      return "dcp-parts";
    case Format::kDcpSafetensors:
      return "dcp-safetensors";
    case Format::kCheckpointPointer:
      return "checkpoint-pointer";
    case Format::kPlainZip:
      return "plain-zip";
    case Format::kRawPickle:
      return "raw-pickle";
    case Format::kLfsPointer:
      return "lfs-pointer";
    case Format::kNotAModel:
      return "not-a-model";
  }
  return "unknown";
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kUnknown:
      return "unknown";
    case Kind::kTorchScript:
      return "torchscript";
    case Kind::kExportedProgram:
      return "exported-program";
    case Kind::kPickledModule:
      return "pickled-module";
    case Kind::kStateDict:
      return "state-dict";
    case Kind::kCheckpoint:
      return "checkpoint";
    case Kind::kTensors:
      return "tensors";
    case Kind::kObjects:
      return "objects";
  }
  return "unknown";
}

void Artifact::add_fault(std::string member, Error error) {
  add_gap(member.empty() ? "file" : member, error.detail);
  faults.push_back({std::move(error), std::move(member), /*left_gap=*/true});
}

std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) {
    if (__builtin_mul_overflow(strides[i], std::max<std::int64_t>(shape[i], 1), &strides[i - 1])) {
      strides[i - 1] = 0;
    }
  }
  return strides;
}

std::optional<std::uint64_t> Tensor::element_count() const {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    const auto next = checked_mul(count, static_cast<std::uint64_t>(size));
    if (!next) return std::nullopt;
    count = *next;
  }
  return count;
}

std::optional<std::uint64_t> Tensor::elements_reached() const {
  if (storage_offset < 0 || shape.size() != strides.size()) return std::nullopt;
  const std::optional<std::uint64_t> count = element_count();
  if (!count) return std::nullopt;
  if (*count == 0) return 0;
  std::uint64_t last = static_cast<std::uint64_t>(storage_offset);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (strides[i] < 0) return std::nullopt;
    const auto step = checked_mul(static_cast<std::uint64_t>(shape[i] - 1),
                                  static_cast<std::uint64_t>(strides[i]));
    const auto sum = step ? checked_add(last, *step) : std::nullopt;
    if (!sum) return std::nullopt;
    last = *sum;
  }
  return checked_add(last, 1);
}

}  // namespace torchvet
