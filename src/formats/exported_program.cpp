// A `.pt2` archive of torch.export.save: `models/NAME.json` is the program, two configs beside it
// say where the numbers of each parameter, buffer and constant lie, `data/sample_inputs` is a
// pickle. Read here without a worker: the program is JSON. No byte of a weight is touched; the
// pickles, which torch.export.load may run, go through the pickle machine and are never loaded.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/archive.h"
#include "formats/exported_graph.h"
#include "formats/exported_tensors.h"
#include "formats/json.h"
#include "formats/pickle/machine.h"
#include "formats/reader.h"
#include "formats/zip.h"

namespace torchvet {
namespace {

constexpr std::int64_t kOldestSchema = 5;
constexpr std::int64_t kNewestSchema = 8;
constexpr std::size_t kMostModels = 1000;
constexpr std::ptrdiff_t kMostLevels = 256;

class ExportedReader {
 public:
  ExportedReader(ByteView file, const ZipDirectory& zip, const ReadOptions& options,
                 Artifact& artifact)
      : file_(file), zip_(zip), options_(options), artifact_(artifact) {}

  void run() {
    artifact_.kind = Kind::kExportedProgram;
    artifact_.exported.emplace();
    std::vector<std::string> names = model_names();
    if (names.size() > kMostModels) {
      artifact_.add_gap("models", "there are " + std::to_string(names.size()) +
                                      "; only the first " + std::to_string(kMostModels) +
                                      " are read");
      names.resize(kMostModels);
    }
    artifact_.exported->models = names;
    for (const std::string& name : names) {
      const TensorId first = static_cast<TensorId>(artifact_.tensors.size());
      read_model(name);
      make_modules(name, first);
    }
    name_native_parts();
    if (names.empty() && artifact_.exported->native_parts.empty()) name_older_layout();
    read_pickles();
  }

 private:
  ExportedInfo& info() { return *artifact_.exported; }

  std::vector<std::string> model_names() const {
    std::vector<std::string> names;
    const std::string folder = zip_.prefix + "models/";
    for (const Member& member : zip_.members) {
      if (member.name.starts_with(folder) && member.name.ends_with(".json")) {
        names.push_back(member.name.substr(folder.size(), member.name.size() - folder.size() - 5));
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  /// The contents of a member; on a failure a fault, and nothing.
  std::optional<ByteView> contents(MemberId id, std::string& buffer) {
    Result<ByteView> bytes = member_bytes(file_, zip_.members[id], options_.limits, buffer);
    if (bytes) return *bytes;
    artifact_.add_fault(zip_.members[id].name, bytes.error());
    return std::nullopt;
  }

  /// A JSON member; on a failure, and when it is missing, a fault and nothing.
  std::optional<JsonDocument> document(const std::string& name) {
    const std::optional<MemberId> id = find_member(zip_, name);
    if (!id) {
      artifact_.add_fault("",
                          {ErrorCode::kZipMemberMissing, 0, "the archive has no member " + name});
      return std::nullopt;
    }
    std::string buffer;
    const std::optional<ByteView> bytes = contents(*id, buffer);
    if (!bytes) return std::nullopt;
    Result<JsonDocument> parsed = JsonDocument::parse(*bytes, options_.limits);
    if (!parsed) {
      artifact_.add_fault(zip_.members[*id].name, parsed.error());
      return std::nullopt;
    }
    if (const std::optional<std::string> key = parsed->duplicate_key()) {
      artifact_.add_fault(zip_.members[*id].name, {ErrorCode::kJsonDuplicateKey, bytes->offset(),
                                                   "an object has the key `" + *key + "` twice"});
    }
    return std::move(*parsed);
  }

  bool big_endian() {
    const std::optional<MemberId> id = find_member(zip_, "byteorder");
    std::string buffer;
    const std::optional<ByteView> bytes = id ? contents(*id, buffer) : std::nullopt;
    return bytes && bytes->text() == "big";
  }

  void read_model(const std::string& name) {
    const std::string member = "models/" + name + ".json";
    const std::optional<JsonDocument> program = document(member);
    if (!program) return;
    read_versions(program->root(), member);
    const auto graph_module = json_field(program->root(), "graph_module");
    ExportedTensors tensors(file_, zip_, big_endian(), artifact_);
    const std::string weights = "data/weights/" + name + "_weights_config.json";
    if (const auto config = document(weights)) {
      tensors.read_weights(config->root(), zip_.prefix + weights, pickles_);
    }
    const std::string constants = "data/constants/" + name + "_constants_config.json";
    if (const auto config = document(constants)) {
      tensors.read_constants(config->root(), zip_.prefix + constants,
                             signature_of(json_field(graph_module, "signature")), pickles_);
    }
    if (!graph_module) {
      artifact_.add_fault(zip_.prefix + member,
                          {ErrorCode::kExportedBadProgram, 0, "there is no graph_module in it"});
      return;
    }
    collect_modules(*graph_module);
    if (options_.graphs) lower(*graph_module, name, member, tensors.constants());
  }

  void lower(Json graph_module, const std::string& name, const std::string& member,
             const ConstantIndex& constants) {
    const std::string method = info().models.size() == 1 ? "forward" : name;
    Result<Graph> graph = lower_exported_graph(graph_module, method, constants, options_.limits);
    if (graph) {
      info().dynamic = info().dynamic || has_symbolic_input(*graph);
      artifact_.graphs.push_back(std::move(*graph));
    } else {
      artifact_.add_fault(zip_.prefix + member, graph.error());
      artifact_.add_gap("graph of " + name, graph.error().detail);
    }
  }

  static bool has_symbolic_input(const Graph& graph) {
    const std::vector<ValueId>& inputs = graph.blocks[0].parameters;
    return std::any_of(inputs.begin(), inputs.end(), [&](ValueId id) {
      const auto& shape = graph.values[id].shape;
      return shape && std::find(shape->begin(), shape->end(), -1) != shape->end();
    });
  }

  void read_versions(Json program, const std::string& member) {
    const auto version = json_field(program, "schema_version");
    info().schema_major = json_integer(json_field(version, "major")).value_or(0);
    info().schema_minor = json_integer(json_field(version, "minor")).value_or(0);
    info().torch_version =
        std::string(json_text(json_field(program, "torch_version")).value_or(""));
    if (info().schema_major < kOldestSchema || info().schema_major > kNewestSchema) {
      artifact_.add_gap(zip_.prefix + member, "schema version " +
                                                  std::to_string(info().schema_major) +
                                                  " is not known; read as the newest known one");
    }
    const auto verifiers = json_array(json_field(program, "verifiers"));
    if (!verifiers) return;
    for (const Json verifier : *verifiers) {
      info().decomposed = info().decomposed || json_text(verifier) == "ATEN";
    }
  }

  static ExportedSignature signature_of(std::optional<Json> signature) {
    ExportedSignature read;
    const auto specs = json_array(json_field(signature, "input_specs"));
    if (!specs) return read;
    for (const Json spec : *specs) {
      const auto name = json_text(json_field(json_field(spec, "buffer"), "buffer_name"));
      if (name) read.buffers.emplace(*name);
    }
    return read;
  }

  /// Paths of modules, from the table of calls, and their classes, from the nodes' stacks.
  void collect_modules(Json graph_module) {
    if (const auto calls = json_array(json_field(graph_module, "module_call_graph"))) {
      for (const Json call : *calls) {
        const std::string_view path = json_text(json_field(call, "fqn")).value_or("");
        classes_.emplace(path.substr(0, path.find('@')), "");
      }
    }
    const auto nodes = json_array(json_field(json_field(graph_module, "graph"), "nodes"));
    if (!nodes) return;
    for (const Json node : *nodes) {
      const auto stack =
          json_text(json_field(json_field(node, "metadata"), "nn_module_stack")).value_or("");
      for (const ExportedModule& module : exported_module_stack(stack)) {
        classes_[std::string(module.path)] = std::string(module.class_name);
      }
    }
  }

  /// Each level of a path is a module; nobody nests hundreds.
  static bool is_sane(std::string_view path) {
    return std::count(path.begin(), path.end(), '.') <= kMostLevels;
  }

  ModuleId module_at(const std::string& path) {
    const auto [known, added] = modules_.emplace(path, artifact_.modules.size());
    if (!added) return known->second;
    const ModuleId id = known->second;
    Module module;
    module.path = path;
    const auto named = classes_.find(path);
    module.class_name = named == classes_.end() ? "" : named->second;
    artifact_.modules.push_back(std::move(module));
    if (path.empty()) return id;
    const ModuleId parent = module_at(std::string(module_of(path)));
    artifact_.modules[id].parent = parent;
    artifact_.modules[parent].children.emplace_back(std::string(leaf_of(path)), id);
    return id;
  }

  /// The tree of one model, whose tensors are those from `first` on. Each has a root of its own.
  void make_modules(const std::string& name, TensorId first) {
    modules_.clear();
    const ModuleId root = module_at("");
    for (const auto& [path, class_name] : classes_) {
      if (is_sane(path)) module_at(path);
    }
    for (TensorId id = first; id < artifact_.tensors.size(); ++id) {
      const Tensor& tensor = artifact_.tensors[id];
      if (tensor.role != TensorRole::kParameter && tensor.role != TensorRole::kBuffer) continue;
      if (!is_sane(tensor.object_path)) continue;
      Module& module = artifact_.modules[module_at(std::string(module_of(tensor.object_path)))];
      std::vector<ModuleTensor>& held =
          tensor.role == TensorRole::kParameter ? module.parameters : module.buffers;
      held.push_back({std::string(leaf_of(tensor.object_path)), id, true});
    }
    classes_.clear();
    StateDict state = state_of_module(artifact_, root);
    if (info().models.size() > 1) state.path = name;
    artifact_.state_dicts.push_back(std::move(state));
  }

  void name_native_parts() {
    const std::string folder = zip_.prefix + "data/aotinductor/";
    for (const Member& member : zip_.members) {
      if (!member.name.starts_with(folder)) continue;
      info().native_parts.push_back(member.name.substr(zip_.prefix.size()));
    }
    if (info().native_parts.empty()) return;
    artifact_.add_gap("data/aotinductor", std::to_string(info().native_parts.size()) +
                                              " parts of compiled code, which cannot be analysed");
  }

  /// Before torch 2.8 the same JSON lay under another name, beside files of torch.save.
  void name_older_layout() {
    const bool older = find_member(zip_, "serialized_exported_program.json").has_value();
    artifact_.add_gap("models", older ? "the program has the layout of torch before 2.8, which is "
                                        "not read"
                                      : "the archive holds no program");
  }

  // --- Pickles in the archive --------------------------------------------------------------------

  /// Members that torch.export.load unpickles, in the layout of today and in the older one.
  bool is_pickle(const Member& member) const {
    if (!member.name.starts_with(zip_.prefix)) return false;
    const std::string_view name = std::string_view(member.name).substr(zip_.prefix.size());
    const bool older = name.starts_with("serialized_state_dict.") ||
                       name.starts_with("serialized_constants.") ||
                       name.starts_with("serialized_example_inputs.");
    return older || name.starts_with("data/sample_inputs/");
  }

  void read_pickles() {
    for (MemberId id = 0; id < zip_.members.size(); ++id) {
      if (is_pickle(zip_.members[id])) pickles_.push_back(id);
    }
    std::sort(pickles_.begin(), pickles_.end());
    pickles_.erase(std::unique(pickles_.begin(), pickles_.end()), pickles_.end());
    for (const MemberId id : pickles_) read_pickle(id);
  }

  /// A torch.save file or a bare pickle as a member.
  void read_pickle(MemberId id) {
    auto buffer = std::make_shared<std::string>();
    const std::optional<ByteView> bytes = contents(id, *buffer);
    if (!bytes || bytes->empty()) return;
    const std::string& name = zip_.members[id].name;
    if (!bytes->starts_with("PK\x03\x04")) return run_machine(*bytes, id, name);
    Result<ZipDirectory> inner = read_zip_directory(*bytes, options_.limits);
    const std::optional<MemberId> data = inner ? find_member(*inner, "data.pkl") : std::nullopt;
    if (!data) {
      artifact_.add_fault(name, inner ? Error{ErrorCode::kZipMemberMissing, bytes->offset(),
                                              "the archive has no member data.pkl"}
                                      : inner.error());
      return;
    }
    std::string inflated;
    Result<ByteView> pickle =
        member_bytes(*bytes, inner->members[*data], options_.limits, inflated);
    if (pickle) return run_machine(*pickle, id, name + "/" + inner->members[*data].name);
    artifact_.add_fault(name, pickle.error());
  }

  void run_machine(ByteView bytes, MemberId id, std::string name) {
    PickleProgram program;
    program.name = std::move(name);
    program.member = id;
    Result<void> run = run_pickle(bytes, options_.limits, artifact_.objects, program);
    if (run) {
      program.trailing_bytes = bytes.size() - std::min(bytes.size(), program.where.length);
    } else {
      artifact_.add_fault(program.name, run.error());
    }
    artifact_.pickles.push_back(std::move(program));
  }

  ByteView file_;
  const ZipDirectory& zip_;
  const ReadOptions& options_;
  Artifact& artifact_;
  std::vector<MemberId> pickles_;
  std::map<std::string, std::string> classes_;  ///< of modules, by path
  std::unordered_map<std::string, ModuleId> modules_;
};

}  // namespace

void read_exported_program(const std::shared_ptr<Source>& source, const ReadOptions& options,
                           Artifact& artifact) {
  const std::optional<ZipDirectory> zip = open_archive(*source, options.limits, artifact);
  if (!zip) return;
  ExportedReader(source->bytes(), *zip, options, artifact).run();
}

}  // namespace torchvet
