// A `.pt2` archive of torch.export.save: `models/NAME.json` is the program, two configs beside it
// say where the numbers of each parameter, buffer and constant lie, `data/sample_inputs` is a
// pickle. Before torch 2.8 it was a zip made by Python, with no common folder: the same JSON as
// `serialized_exported_program.json`, and whole files of torch.save beside it.
//
// Read here without a worker: the program is JSON. No byte of a weight is touched; the pickles,
// which torch.export.load may run, go through the pickle machine and are never loaded.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/archive.h"
#include "formats/exported/compiled.h"
#include "formats/exported/graph.h"
#include "formats/exported/modules.h"
#include "formats/exported/operators.h"
#include "formats/exported/schema.h"
#include "formats/exported/signature.h"
#include "formats/exported/tensors.h"
#include "formats/exported/verifier.h"
#include "formats/fault_list.h"
#include "formats/json_member.h"
#include "formats/nested_files.h"
#include "formats/reader.h"
#include "formats/torch_records.h"
#include "formats/zip.h"
#include "json/document.h"
#include "model/torch_release.h"

namespace torchvet {
namespace {

constexpr std::int64_t kOldestSchema = 1;
constexpr std::size_t kMostModels = 1000;
constexpr std::string_view kOlderProgram = "serialized_exported_program.json";

/// One of the programs in an archive.
struct Model {
  std::string name;
  MemberId member = 0;
};

class ExportedReader {
 public:
  ExportedReader(ByteView file, const ZipDirectory& zip, const ReadOptions& options,
                 Artifact& artifact)
      : file_(file),
        zip_(zip),
        options_(options),
        artifact_(artifact),
        nested_(file, zip, options.limits, artifact) {}

  void run() {
    artifact_.kind = Kind::kExportedProgram;
    artifact_.exported.emplace();
    if (!zip_.prefix.empty()) check_records();
    std::vector<Model> models = find_models();
    if (models.size() > kMostModels) {
      artifact_.add_gap("models", "there are " + std::to_string(models.size()) +
                                      "; only the first " + std::to_string(kMostModels) +
                                      " are read");
      models.resize(kMostModels);
    }
    if (!info().older_layout && !version_record(zip_)) add_missing("version");
    if (!models.empty() && !info().older_layout) {
      (void)member("archive_format");
      (void)member("archive_version");
    }
    for (const Model& model : models) info().models.push_back(model.name);
    for (const Model& model : models) read_model(model);
    list_native_code(file_, zip_, options_.limits, artifact_);
    if (models.empty() && info().compiled.empty()) {
      artifact_.add_gap("models", "the archive holds no program");
    }
    if (find_member(zip_, "constants.pkl")) {
      artifact_.add_gap("code", "the archive is a TorchScript program as well, which is not read");
    }
    record_pickles();
  }

 private:
  ExportedInfo& info() { return *artifact_.exported; }

  /// torch.export.load compares two records as text, before it looks at a program.
  void check_records() {
    std::vector<Fault> refused = refused_records(file_, zip_, options_.limits);
    for (const auto& [name, wanted] :
         {std::pair("archive_format", "pt2"), {"archive_version", "0"}}) {
      for (Fault& fault : refused_unless(file_, zip_, options_.limits, name, wanted)) {
        refused.push_back(std::move(fault));
      }
    }
    for (const Fault& fault : refused) artifact_.add_contradiction(fault.member, fault.error);
  }

  /// As torch does, everything in `models/` counts as a program, its name without the last five
  /// characters, which should be ".json".
  std::vector<Model> find_models() {
    std::vector<Model> models;
    const std::string folder = zip_.prefix + "models/";
    for (MemberId id = 0; id < zip_.members.size(); ++id) {
      const std::string& name = zip_.members[id].name;
      if (!name.starts_with(folder) || name.size() < folder.size() + 5) continue;
      models.push_back({name.substr(folder.size(), name.size() - folder.size() - 5), id});
    }
    std::sort(models.begin(), models.end(),
              [](const Model& a, const Model& b) { return a.name < b.name; });
    if (const auto older = top_member({kOlderProgram}); older && models.empty()) {
      info().older_layout = true;
      models.push_back({"model", *older});
    }
    return models;
  }

  /// The last member with one of these names that lies in no folder, as Python's zipfile finds it.
  std::optional<MemberId> top_member(std::initializer_list<std::string_view> names) const {
    for (MemberId id = static_cast<MemberId>(zip_.members.size()); id > 0; --id) {
      if (std::find(names.begin(), names.end(), zip_.members[id - 1].name) != names.end()) {
        return id - 1;
      }
    }
    return std::nullopt;
  }

  /// The contents of a member; on a failure a fault, and nothing.
  std::optional<ByteView> contents(MemberId id, std::string& buffer) {
    Result<ByteView> bytes = member_bytes(file_, zip_.members[id], options_.limits, buffer);
    if (bytes) return *bytes;
    artifact_.add_fault(zip_.members[id].name, bytes.error());
    return std::nullopt;
  }

  void add_missing(const std::string& name) {
    artifact_.add_fault("", {ErrorCode::kZipMemberMissing, 0, "the archive has no member " + name});
  }

  std::optional<MemberId> member(const std::string& name) {
    const std::optional<MemberId> id = find_member(zip_, name);
    if (!id) add_missing(name);
    return id;
  }

  std::optional<JsonDocument> document(MemberId id) {
    return json_member(file_, zip_.members[id], options_.limits, artifact_);
  }

  bool big_endian() {
    const std::optional<MemberId> id = find_member(zip_, "byteorder");
    std::string buffer;
    const std::optional<ByteView> bytes = id ? contents(*id, buffer) : std::nullopt;
    return bytes && bytes->text() == "big";
  }

  /// Where an archive has several models, their names come before all paths: "encoder.fc.weight".
  void read_model(const Model& model) {
    const std::string root = info().models.size() > 1 ? model.name : "";
    ExportedModules modules(root, artifact_);
    const TensorId first = static_cast<TensorId>(artifact_.tensors.size());
    const std::string& member_name = zip_.members[model.member].name;
    const std::optional<JsonDocument> program = document(model.member);
    const std::size_t before = artifact_.faults.size();
    if (program) {
      read_versions(program->root(), member_name);
      const auto graph_module = json_field(program->root(), "graph_module");
      const RegisteredNames registered = registered_in(json_field(graph_module, "signature"));
      const ExportedTensors::Archive archive{
          file_, zip_, nested_, options_.limits, big_endian(), root.empty() ? "" : root + "."};
      ExportedTensors tensors(archive, registered, artifact_);
      if (info().older_layout) {
        read_older_tensors(tensors);
      } else {
        (void)member("data/sample_inputs/" + model.name + ".pt");  // torch asks for it first
        read_weights(model.name, tensors);
        read_constants(model.name, tensors);
      }
      check_registered(registered, root, first, member_name);
      check_schema(program->root(), SchemaRoot::kProgram, member_name, before);
      if (graph_module) {
        if (const auto unread = unreadable_call_tree(*graph_module, options_.limits)) {
          artifact_.add_contradiction(member_name, *unread);
        }
        if (const auto odds = signature_at_odds(*graph_module)) {
          artifact_.add_contradiction(member_name, *odds);
        }
        check_calls(*graph_module, program->root(), member_name);
        modules.collect(*graph_module);
        if (options_.graphs) lower(*graph_module, model, root, tensors.constants());
      } else {
        artifact_.add_fault(member_name,
                            {ErrorCode::kExportedBadProgram, 0, "there is no graph_module in it"});
      }
    }
    modules.make(first);
  }

  /// Every parameter, buffer and constant of the signature must have a tensor: torch.export.load refuses the
  /// program otherwise. Where tensors could not be read, they are not missing.
  void check_registered(const RegisteredNames& registered, const std::string& root, TensorId first,
                        const std::string& member_name) {
    if (!artifact_.gaps.empty()) return;
    std::unordered_set<std::string_view> here;
    for (TensorId id = first; id < artifact_.tensors.size(); ++id) {
      here.insert(artifact_.tensors[id].object_path);
      for (const std::string& alias : artifact_.tensors[id].aliases) here.insert(alias);
    }
    FaultList faults(artifact_, member_name);
    const auto look_for = [&](const std::string& name, std::string_view kind) {
      if (here.contains(root.empty() ? name : root + "." + name)) return;
      faults.add_contradiction(
          ErrorCode::kIndexDisagrees, 0,
          "the signature names the " + std::string(kind) + " `" + name + "`, which has no numbers");
    };
    for (const std::string& name : registered.parameters) look_for(name, "parameter");
    for (const std::string& name : registered.buffers) look_for(name, "buffer");
    for (const std::string& name : registered.constants) look_for(name, "constant");
  }

  /// Where the readers had nothing to say of a text, torch may still not make its classes of it.
  /// `before`: how many faults there were when the readers began with the text.
  void check_schema(Json root, SchemaRoot kind, const std::string& member_name, std::size_t before) {
    if (!is_of_known_schema()) return;
    const bool told = std::any_of(artifact_.faults.begin() + static_cast<std::ptrdiff_t>(before),
                                  artifact_.faults.end(),
                                  [&](const Fault& fault) { return fault.member == member_name; });
    const std::optional<Error> wrong = told ? std::nullopt : against_schema(root, kind);
    if (wrong) artifact_.add_fault(member_name, *wrong);
  }

  void check_calls(Json graph_module, Json program, const std::string& member_name) {
    if (!is_of_known_schema()) return;
    const auto release = release_from_text(info().torch_version);
    if (release && *release > kNewestTorch) return;  // it may call what that one has
    const auto verifiers = json_array(json_field(program, "verifiers"));
    const bool for_training =
        verifiers && verifiers->size() > 0 &&
        std::all_of(verifiers->begin(), verifiers->end(),
                    [](Json verifier) { return json_text(verifier) == "TRAINING"; });
    const auto odds = calls_at_odds(graph_module, for_training);
    if (!odds) return;
    if (odds->code == ErrorCode::kArchiveRefused) {
      artifact_.add_contradiction(member_name, *odds);
    } else {
      artifact_.add_fault(member_name, *odds);
    }
  }

  /// Of an older one torch 2.13 reads nothing, of a newer one it may lack a part.
  bool is_of_known_schema() const {
    const ExportedInfo& program = *artifact_.exported;
    return program.schema_major == kKnownSchemaMajor && program.schema_minor <= kKnownSchemaMinor;
  }

  // --- Tensors -----------------------------------------------------------------------------------

  /// torch 2.8 wrote a file of torch.save in place of the config and its records.
  void read_weights(const std::string& model, ExportedTensors& tensors) {
    if (const auto file = find_member(zip_, "data/weights/" + model + ".pt")) {
      return tensors.read_weights(nested_.load(*file), zip_.members[*file].name);
    }
    const auto config = member("data/weights/" + model + "_weights_config.json");
    const auto parsed = config ? document(*config) : std::nullopt;
    if (!parsed) return;
    const std::size_t before = artifact_.faults.size();
    tensors.read_weights(parsed->root(), zip_.members[*config].name);
    check_schema(parsed->root(), SchemaRoot::kPayloads, zip_.members[*config].name, before);
  }

  void read_constants(const std::string& model, ExportedTensors& tensors) {
    if (const auto file = find_member(zip_, "data/constants/" + model + ".pt")) {
      return tensors.read_constants(nested_.load(*file), zip_.members[*file].name);
    }
    const auto config = member("data/constants/" + model + "_constants_config.json");
    const auto parsed = config ? document(*config) : std::nullopt;
    if (!parsed) return;
    const std::size_t before = artifact_.faults.size();
    tensors.read_constants(parsed->root(), zip_.members[*config].name);
    check_schema(parsed->root(), SchemaRoot::kPayloads, zip_.members[*config].name, before);
  }

  /// The oldest names end in .json, though what they hold is no JSON. torch 2.1 had no constants.
  void read_older_tensors(ExportedTensors& tensors) {
    const bool needs_all = is_of_last_schema();
    if (const auto file = top_member({"serialized_state_dict.pt", "serialized_state_dict.json"})) {
      tensors.read_weights(nested_.load(*file), zip_.members[*file].name);
    } else {
      artifact_.add_fault("", {ErrorCode::kZipMemberMissing, 0,
                               "the archive has no member serialized_state_dict.pt"});
    }
    if (const auto file = top_member({"serialized_constants.pt", "serialized_constants.json"})) {
      tensors.read_constants(nested_.load(*file), zip_.members[*file].name);
    } else if (needs_all) {
      add_missing("serialized_constants.pt");
    }
    if (needs_all && !top_member({"serialized_example_inputs.pt"})) {
      add_missing("serialized_example_inputs.pt");
    }
  }

  /// The only one of this layout that torch 2.13 still reads: it asks for all four members.
  bool is_of_last_schema() {
    const auto version = top_member({"version"});
    std::string buffer;
    const auto bytes = version ? contents(*version, buffer) : std::nullopt;
    return bytes && bytes->text().starts_with("8.");
  }

  static RegisteredNames registered_in(std::optional<Json> signature) {
    RegisteredNames names;
    const Result<std::vector<ExportedInput>> inputs =
        signature ? exported_inputs(*signature) : std::vector<ExportedInput>();
    if (!inputs) return names;
    for (const ExportedInput& input : *inputs) {
      if (input.kind == ExportedInput::Kind::kParameter) names.parameters.emplace(input.target);
      if (input.kind == ExportedInput::Kind::kBuffer) names.buffers.emplace(input.target);
      if (input.not_persistent) names.not_persistent.emplace(input.target);
      if (input.kind == ExportedInput::Kind::kConstant) names.constants.emplace(input.target);
    }
    return names;
  }

  // --- The program -------------------------------------------------------------------------------

  void lower(Json graph_module, const Model& model, const std::string& root,
             const ConstantIndex& constants) {
    const ExportedNames names{info().models.size() == 1 ? "forward" : model.name, root};
    Result<Graph> graph = lower_exported_graph(graph_module, names, constants, options_.limits);
    if (graph) {
      info().dynamic = info().dynamic || has_symbolic_input(*graph);
      artifact_.graphs.push_back(std::move(*graph));
    } else {
      artifact_.add_fault(zip_.members[model.member].name, graph.error());
      artifact_.add_gap("graph of " + model.name, graph.error().detail);
    }
  }

  static bool has_symbolic_input(const Graph& graph) {
    const std::vector<ValueId>& inputs = graph.blocks[0].parameters;
    return std::any_of(inputs.begin(), inputs.end(), [&](ValueId id) {
      const auto& shape = graph.values[id].shape;
      return shape && std::find(shape->begin(), shape->end(), -1) != shape->end();
    });
  }

  /// Releases before 2.3 numbered their schema with one number; those before 2.5 named the dialect
  /// of the graph, and before that there was one.
  void read_versions(Json program, const std::string& member_name) {
    const auto version = json_field(program, "schema_version");
    info().schema_minor = json_integer(json_field(version, "minor")).value_or(0);
    info().schema_major =
        json_integer(version).value_or(json_integer(json_field(version, "major")).value_or(0));
    info().torch_version =
        std::string(json_text(json_field(program, "torch_version")).value_or(""));
    // The layout of today came with the schema of today.
    const std::int64_t oldest = info().older_layout ? kOldestSchema : kKnownSchemaMajor;
    if (info().schema_major < oldest || info().schema_major > kKnownSchemaMajor) {
      artifact_.add_gap(member_name, "schema version " + std::to_string(info().schema_major) +
                                         " is not known; read as the newest known one");
    }
    const auto verifiers = json_array(json_field(program, "verifiers"));
    if (!verifiers) {
      info().decomposed = info().schema_major < kKnownSchemaMajor &&
                          json_text(json_field(program, "dialect")).value_or("ATEN") == "ATEN";
      return;
    }
    for (const Json verifier : *verifiers) {
      const std::string_view dialect = json_text(verifier).value_or("");
      info().decomposed = info().decomposed || dialect == "ATEN";
      if (dialect.empty() || dialect == "ATEN" || dialect == "TRAINING") continue;
      artifact_.add_gap(member_name, fmt::format("the program is of the dialect `{}`, which another "
                                                 "library brings", dialect));
    }
  }

  // --- Pickles in the archive --------------------------------------------------------------------

  /// Members that some loader unpickles: in the layout of today, in the older one whatever the
  /// archive's folder is, and the weights beside native code.
  bool is_pickle(const Member& member) const {
    if (is_older_pickle(member.name)) return true;
    if (!member.name.starts_with(zip_.prefix)) return false;
    const std::string_view name = std::string_view(member.name).substr(zip_.prefix.size());
    if (is_older_pickle(name) || name.starts_with("data/sample_inputs/")) return true;
    if (name == "data.pkl" || name == "constants.pkl") return true;  // of torch.load
    if (name.starts_with("data/constants/custom_obj_") ||
        name.starts_with("data/constants/opaque_obj_")) {
      return true;
    }
    if (!name.starts_with("data/weights/") && !name.starts_with("data/constants/")) return false;
    return name.ends_with(".pt");
  }

  static bool is_older_pickle(std::string_view name) {
    return name.starts_with("serialized_state_dict.") ||
           name.starts_with("serialized_constants.") ||
           name.starts_with("serialized_example_inputs.");
  }

  void record_pickles() {
    for (MemberId id = 0; id < zip_.members.size(); ++id) {
      if (is_pickle(zip_.members[id]) || is_weight_of_native_code(id)) nested_.record(id);
    }
  }

  bool is_weight_of_native_code(MemberId id) {
    if (info().compiled.empty() ||
        !zip_.members[id].name.starts_with(zip_.prefix + "data/weights/")) {
      return false;
    }
    std::string buffer;
    const Result<ByteView> bytes = member_bytes(file_, zip_.members[id], options_.limits, buffer);
    return bytes && bytes->starts_with("PK\x03\x04");
  }

  ByteView file_;
  const ZipDirectory& zip_;
  const ReadOptions& options_;
  Artifact& artifact_;
  NestedFiles nested_;
};

}  // namespace

void read_exported_program(const std::shared_ptr<Source>& source, const ReadOptions& options,
                           Artifact& artifact) {
  const std::optional<ZipDirectory> zip = open_archive(*source, options, artifact);
  if (!zip) return;
  ExportedReader(source->bytes(), *zip, options, artifact).run();
}

}  // namespace torchvet
