#include "graph/worker_client.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "graph/graph_codec.h"
#include "graph/python_torch.h"
#include "graph/worker_process.h"

namespace torchvet {
namespace {

constexpr std::size_t kMaxFrames = 64;
constexpr std::size_t kMaxLine = 400;
constexpr const char* kProgram = "torchvet-graph";
constexpr const char* kGraphs = "graphs of the program";

std::vector<std::string> candidates(const std::string& given) {
  if (!given.empty()) return {given};
  if (const char* chosen = std::getenv("TORCHVET_WORKER"); chosen && *chosen) return {chosen};
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const std::filesystem::path folder = self.parent_path();
  return {(folder / kProgram).string(),
          (folder.parent_path() / "libexec" / "torchvet" / kProgram).string()};
}

/// Errors: kWorkerMissing, with the places that were looked at.
Result<std::string> find_program(const std::string& given) {
  std::string looked;
  for (const std::string& candidate : candidates(given)) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    looked += (looked.empty() ? "" : ", ") + candidate;
  }
  return fail(ErrorCode::kWorkerMissing, 0,
              "the graph worker torchvet-graph is not installed (looked for " + looked + ")");
}

/// The prefix under which a worker in PREFIX/libexec/torchvet is installed.
std::filesystem::path prefix_of(const std::string& program) {
  return std::filesystem::path(program).parent_path().parent_path().parent_path();
}

/// Code that calls a module through an interface does not say of what class it is; the pickle does.
std::vector<GraphRequest::Module> classes_of_modules(const Artifact& artifact) {
  const auto has_interface = [](const CodeFile& file) {
    return file.text.find("(ModuleInterface):") != std::string::npos;
  };
  const std::vector<CodeFile>& code = artifact.script->code;
  if (std::none_of(code.begin(), code.end(), has_interface)) return {};
  std::vector<GraphRequest::Module> classes;
  for (const Module& parent : artifact.modules) {
    for (const auto& [name, child] : parent.children) {
      const Object::Call* call = artifact.objects.as<Object::Call>(artifact.modules[child].object);
      if (call == nullptr) continue;
      classes.push_back({parent.path.empty() ? name : parent.path + "." + name,
                         artifact.objects.qualified_name(call->callable)});
    }
  }
  return classes;
}

GraphRequest request_of(const Artifact& artifact, const Limits& limits) {
  const ScriptInfo& script = *artifact.script;
  GraphRequest request;
  request.modules = classes_of_modules(artifact);
  for (const CodeFile& file : script.code) request.code.push_back({file.name, file.text});
  request.root_class = script.root_class;
  request.version = script.version;
  request.constants = script.constants;
  request.max_nodes = limits.graph_nodes;
  request.cpu_seconds = limits.worker_seconds;
  return request;
}

/// Where the nodes of one program come from in Python.
class Places {
 public:
  explicit Places(const ScriptInfo& script) : script_(script), line_starts_(script.code.size()) {}

  /// The author's stack of a node, innermost first. The record of traced code holds the whole
  /// Python stack (its frames name their functions); that of scripted code one place, and the
  /// places of the calls that were inlined follow.
  std::vector<SourceLine> frames_of(const LoweredGraph& lowered, NodeId node) {
    std::vector<SourceLine> frames;
    append(lowered.ranges[node], frames);
    std::uint32_t call = lowered.calls[node];
    while (call != InlinedCall::kNoCall && frames.size() < kMaxFrames) {
      if (!frames.empty() && !frames.back().function.empty()) break;
      append(lowered.inlined[call].where, frames);
      call = lowered.inlined[call].caller;
    }
    return frames;
  }

 private:
  /// A call of a function starts with its qualified name, which has no place in Python (`F.relu` is
  /// printed as `__torch__.torch.nn.functional.relu`); the record of the call begins behind it.
  void append(const CodeRange& range, std::vector<SourceLine>& frames) {
    if (range.file == CodeRange::kNoFile) return;
    const SourceMap& map = script_.code[range.file].map;
    if (map.empty()) {
      frames.push_back(place_in_code(range));
      return;
    }
    std::vector<SourceLine> found = map.frames_at(range.start);
    if (found.empty()) found = map.frames_at(range.end);
    for (SourceLine& frame : found) {
      if (frames.size() < kMaxFrames) frames.push_back(std::move(frame));
    }
  }

  /// Without a source map: the line of the archive's own code.
  SourceLine place_in_code(const CodeRange& range) {
    const CodeFile& file = script_.code[range.file];
    const std::string_view text = file.text;
    std::vector<std::uint32_t>& starts = line_starts_[range.file];
    if (starts.empty()) {
      starts.push_back(0);
      for (std::uint32_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') starts.push_back(i + 1);
      }
    }
    const auto after = std::upper_bound(starts.begin(), starts.end(), range.start);
    const std::uint32_t start = *std::prev(after);
    const std::string_view line = text.substr(start, text.find('\n', start) - start);
    return {"code/" + file.name, static_cast<std::uint64_t>(after - starts.begin()), "",
            std::string(line.substr(std::min(line.find_first_not_of(' '), line.size()), kMaxLine))};
  }

  const ScriptInfo& script_;
  std::vector<std::vector<std::uint32_t>> line_starts_;  ///< of each file, when first needed
};

/// The reply counts elements of the constant table; the model counts tensors only.
void renumber_constants(Graph& graph, const std::vector<std::string>& table) {
  std::vector<std::uint32_t> index(table.size());
  std::uint32_t tensors = 0;
  for (std::size_t i = 0; i < table.size(); ++i) index[i] = table[i].empty() ? tensors++ : 0;
  for (Value& value : graph.values) {
    if (!value.literal) continue;
    if (auto* constant = std::get_if<Literal::Constant>(&value.literal->value)) {
      constant->index = index[constant->index];
    }
  }
}

}  // namespace

struct GraphWorker::Impl {
  std::string given;
  std::string libtorch;
  WorkerProcess process;
  std::filesystem::path prefix;      ///< of the environment that the worker is installed in
  std::vector<PythonTorch> torches;  ///< of that environment

  Result<void> ensure_started() {
    if (process.running()) return {};
    const Result<std::string> program = find_program(given);
    if (!program) return tl::unexpected<Error>(program.error());
    prefix = prefix_of(*program);
    torches = torches_below(prefix);
    return process.start(*program, libraries_for_worker(torches));
  }

  Result<GraphReply> ask(const Artifact& artifact, const Limits& limits) {
    const ScriptInfo& script = *artifact.script;
    if (Result<void> started = ensure_started(); !started) {
      return tl::unexpected<Error>(started.error());
    }
    const Result<std::string> reply =
        process.exchange(encode_request(request_of(artifact, limits)), limits.worker_reply_bytes,
                         limits.worker_seconds);
    if (!reply && process.not_loaded()) {
      return fail(ErrorCode::kWorkerFailed, 0, why_not_loaded(prefix, torches));
    }
    if (!reply) return tl::unexpected<Error>(reply.error());
    Result<GraphReply> decoded =
        decode_reply(*reply, script.code.size(), script.constants.size(), limits);
    if (!decoded) process.stop();
    return decoded;
  }
};

GraphWorker::GraphWorker(std::string program) : impl_(std::make_unique<Impl>()) {
  impl_->given = std::move(program);
}

GraphWorker::~GraphWorker() = default;

void GraphWorker::start_early() {
  // A failure is not lost: read_graphs tries again and reports it, if graphs are needed at all.
  static_cast<void>(impl_->ensure_started());
}

void GraphWorker::read_graphs(Artifact& artifact, const Limits& limits) {
  if (!artifact.script || artifact.script->code.empty()) return;
  const ScriptInfo& script = *artifact.script;
  Result<GraphReply> reply = impl_->ask(artifact, limits);
  if (!reply) {
    artifact.add_gap(kGraphs, reply.error().detail);
    return;
  }
  impl_->libtorch = reply->libtorch;
  for (const Refusal& refusal : reply->refusals) {
    artifact.add_gap(refusal.method.empty() ? kGraphs : "graph of " + refusal.method,
                     "LibTorch refuses the program: " + refusal.reason);
  }
  Places places(script);
  for (LoweredGraph& lowered : reply->graphs) {
    for (NodeId i = 0; i < lowered.graph.nodes.size(); ++i) {
      lowered.graph.nodes[i].frames = places.frames_of(lowered, i);
    }
    renumber_constants(lowered.graph, script.constants);
    artifact.graphs.push_back(std::move(lowered.graph));
  }
}

std::string GraphWorker::libtorch_version() const { return impl_->libtorch; }

}  // namespace torchvet
