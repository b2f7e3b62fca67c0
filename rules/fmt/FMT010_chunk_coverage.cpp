#include <array>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Proves for each tensor of a distributed checkpoint that its chunks tile it: no element without a chunk,
none in two, no chunk beyond the tensor's size.

## Why it matters
`torch.distributed.checkpoint.load` copies what the chunks hold into the tensor that it is given. An
element without a chunk keeps the number it had before, without a word: mostly its initialisation.

## Example
```
the chunks do not tile `model.0.weight`
  because  `model.0.weight`: no chunk covers the element [3, 0]
```

## What to do
Save the checkpoint again, with all ranks taking part. When shards were merged or moved by a script,
look at the offsets that it wrote.

## Limits
The metadata is proven, not the bytes: whether an item holds the shape that the metadata says is told by
FMT009. Tensors of more than 12 dimensions are reported without a proof.

## References
`TensorStorageMetadata` and `ChunkStorageMetadata` of `torch.distributed.checkpoint.metadata`, torch 2.13.
Uneven sharding leaves chunks without elements, which are sound.
)md";

constexpr std::array kCodes = {ErrorCode::kChunkCoverage};

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  return findings_of_faults(artifact, kCodes, [](const std::string&, const Fault&) {
    return "chunks do not tile their tensors";
  });
}

}  // namespace

extern constexpr Rule FMT010 = define_rule({
    .code = "FMT010",
    .name = "chunk-coverage",
    .summary = "the chunks of a tensor in a distributed checkpoint leave a hole, overlap, or reach "
               "outside",
    .why = "elements without a chunk keep the numbers that they had before loading",
    .help = "save the checkpoint again, with all ranks",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
