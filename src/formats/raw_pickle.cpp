// A pickle that torch.save did not write: `pickle.dump` of whatever it was. What it would import and
// call is recorded; the tensors in it are calls of `torch.storage._load_from_bytes` on whole nested
// streams, which are not opened.

#include <algorithm>

#include "formats/pickle/machine.h"
#include "formats/reader.h"

namespace torchvet {

void read_raw_pickle(const std::shared_ptr<Source>& source, const ReadOptions& options,
                     Artifact& artifact) {
  artifact.kind = Kind::kObjects;
  PickleProgram& program = artifact.pickles.emplace_back();
  program.name = "pickle";
  const ByteView bytes = source->bytes();
  const Result<void> run = run_pickle(bytes, options.limits, artifact.objects, program);
  if (!run) {
    artifact.add_fault("", run.error());
    return;
  }
  const std::uint64_t end = program.where.offset + program.where.length;
  program.trailing_bytes = end < bytes.size() ? bytes.size() - end : 0;
  if (program.trailing_bytes != 0) {
    artifact.add_gap("file", std::to_string(program.trailing_bytes) +
                                 " bytes after the end of the pickle are not read");
  }
  const bool nested = std::any_of(program.calls.begin(), program.calls.end(),
                                  [](const PickleProgram::Call& call) {
                                    return call.callable == "torch.storage._load_from_bytes";
                                  });
  if (nested) {
    artifact.add_gap("tensors", "they are whole torch.save streams inside a pickle, not opened");
  }
}

}  // namespace torchvet
