// A pickle that torch.save did not write: `pickle.dump` of whatever it was. What it would import
// and call is recorded; the tensors in it are calls of `torch.storage._load_from_bytes` on whole
// nested streams, which are not opened.

#include <algorithm>
#include <string>
#include <utility>

#include "formats/pickle/machine.h"
#include "formats/reader.h"

namespace torchvet {
namespace {

void note_protocol(Artifact& artifact, const PickleProgram& program) {
  if (const Result<void> known = check_protocol(program); !known) {
    artifact.add_fault(program.name, known.error());
  }
}

/// Runs the pickles behind the first: what `pickle.dump` wrote into one file again and again.
void read_more(ByteView bytes, std::uint64_t begin, const Limits& limits, Artifact& artifact) {
  constexpr std::size_t kMost = 1000;
  while (begin < bytes.size() && bytes[begin] == 0x80 && artifact.pickles.size() < kMost) {
    const ByteView rest(bytes.data() + begin, bytes.size() - begin, bytes.offset() + begin);
    PickleProgram program;
    program.name = "pickle " + std::to_string(artifact.pickles.size() + 1);
    const Result<void> run = run_pickle(rest, limits, artifact.objects, program);
    begin += program.where.length;
    note_protocol(artifact, program);
    artifact.pickles.push_back(std::move(program));
    if (!run) {
      artifact.add_fault(artifact.pickles.back().name, run.error());
      return;
    }
  }
  if (begin < bytes.size()) {
    artifact.add_gap("file", std::to_string(bytes.size() - begin) +
                                 " bytes after the end of the last pickle are not read");
  }
}

bool holds_stream(const ObjectTree& tree, const PickleProgram& program) {
  return std::any_of(
      program.calls.begin(), program.calls.end(), [&tree](const PickleProgram::Call& call) {
        return tree.qualified_name(call.callable) == "torch.storage._load_from_bytes";
      });
}

}  // namespace

void read_raw_pickle(const std::shared_ptr<Source>& source, const ReadOptions& options,
                     Artifact& artifact) {
  artifact.kind = Kind::kObjects;
  artifact.pickles.emplace_back().name = "pickle";
  const ByteView bytes = source->bytes();
  const Result<void> run =
      run_pickle(bytes, options.limits, artifact.objects, artifact.pickles.front());
  if (!run) {
    artifact.add_fault("", run.error());
    return;
  }
  note_protocol(artifact, artifact.pickles.front());
  const std::uint64_t end = artifact.pickles.front().where.length;
  if (end < bytes.size()) {
    artifact.pickles.front().trailing_bytes = bytes.size() - end;
    read_more(bytes, end, options.limits, artifact);
  }
  if (std::any_of(artifact.pickles.begin(), artifact.pickles.end(),
                  [&artifact](const PickleProgram& program) {
                    return holds_stream(artifact.objects, program);
                  })) {
    artifact.add_gap("tensors", "they are whole torch.save streams inside a pickle, not opened");
  }
}

}  // namespace torchvet
