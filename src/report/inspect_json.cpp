#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/escape.h"
#include "model/expectation.h"
#include "model/optimizer_alignment.h"
#include "report/graph_dump.h"
#include "report/inspect.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

std::string text(std::string_view raw) { return to_utf8(raw); }

std::string_view name_of(Layout layout) {
  switch (layout) {
    case Layout::kStrided:
      return "strided";
    case Layout::kSparse:
      return "sparse";
    case Layout::kNested:
      return "nested";
    case Layout::kMeta:
      return "meta";
    case Layout::kWrapper:
      return "wrapper";
  }
  return "strided";
}

Json range(const ByteRange& where) { return {{"offset", where.offset}, {"length", where.length}}; }

Json counts(const std::map<std::string, std::uint64_t>& map) {
  Json out = Json::object();
  for (const auto& [name, count] : map) out[text(name)] = count;
  return out;
}

Json tensors_json(const Summary::Tensors& group) {
  return {{"tensors", group.count},
          {"elements", group.elements},
          {"dtypes", counts(group.dtypes)},
          {"devices", counts(group.devices)}};
}

Json exported_json(const ExportedInfo& info) {
  Json models = Json::array(), compiled = Json::array();
  for (const std::string& model : info.models) models.push_back(text(model));
  for (const CompiledModel& model : info.compiled) {
    Json parts = Json::array(), notes = Json::object();
    for (const std::string& part : model.parts) parts.push_back(text(part));
    for (const auto& [key, value] : model.notes) notes[text(key)] = text(value);
    compiled.push_back(
        {{"name", text(model.name)}, {"parts", std::move(parts)}, {"notes", std::move(notes)}});
  }
  return {{"schema", {info.schema_major, info.schema_minor}},
          {"torch_version", text(info.torch_version)},
          {"models", std::move(models)},
          {"older_layout", info.older_layout},
          {"decomposed", info.decomposed},
          {"dynamic", info.dynamic},
          {"compiled", std::move(compiled)}};
}

Json summary_part(const Artifact& artifact) {
  const Summary summary = summarise(artifact);
  Json models = Json::array();
  for (const StateDict& state : artifact.state_dicts) {
    models.push_back({{"path", text(state.path)},
                      {"tensors", state.entries.size()},
                      {"average", state.is_average}});
  }
  Json out = {{"format", torchvet::name_of(artifact.format)},
              {"kind", torchvet::name_of(artifact.kind)},
              {"size", artifact.source.size},
              {"parameters", tensors_json(summary.parameters)},
              {"buffers", tensors_json(summary.buffers)},
              {"other_tensors", tensors_json(summary.others)},
              {"storages", artifact.storages.size()},
              {"storage_bytes", summary.storage_bytes},
              {"modules", artifact.modules.size()},
              {"training", summary.training},
              {"evaluating", summary.evaluating},
              {"state_dicts", std::move(models)},
              {"optimizers", artifact.optimizers.size()}};
  Json notes = Json::array();
  for (std::size_t i = 0; i < std::min(kMaxMetadata, artifact.metadata.size()); ++i) {
    const auto& [key, value] = artifact.metadata[i];
    notes.push_back({{"key", text(key)}, {"value", text(value)}});
  }
  out["metadata"] = std::move(notes);
  if (!artifact.source.compression.empty()) {
    out["compression"] = artifact.source.compression;
    if (artifact.source.contents) out["contents_size"] = *artifact.source.contents;
  }
  if (artifact.script) {
    out["script"] = {{"traced", artifact.script->traced},
                     {"archive_version", artifact.script->version},
                     {"class", text(artifact.script->root_class)}};
  }
  if (artifact.exported) out["exported"] = exported_json(*artifact.exported);
  return out;
}

Json members_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const Member& member : artifact.members) {
    out.push_back({{"name", text(member.name)},
                   {"data", range(member.data)},
                   {"size", member.size},
                   {"crc32", member.crc32},
                   {"method", member.method},
                   {"flags", member.flags},
                   {"header_offset", member.header_offset}});
  }
  return out;
}

/// With `--values`. A sum that is not finite has no number in JSON and becomes null.
Json values_json(const ValueFacts& facts) {
  Json out = {{"numbers", facts.numbers},
              {"nan", facts.nan},
              {"positive_infinity", facts.positive_infinity},
              {"negative_infinity", facts.negative_infinity},
              {"zero", facts.zero},
              {"subnormal", facts.subnormal},
              {"min", facts.min},
              {"max", facts.max},
              {"sum", facts.sum},
              {"sum_of_squares", facts.sum_of_squares}};
  if ((facts.computed & kRows) != 0) {
    out["rows"] = {{"count", facts.rows}, {"zero", facts.zero_rows}, {"distinct", nullptr}};
    if (facts.distinct_rows) out["rows"]["distinct"] = *facts.distinct_rows;
  }
  if (facts.fingerprint) {
    const FingerprintEvidence& mark = *facts.fingerprint;
    out["initialisation"] = {{"mark", torchvet::name_of(mark.kind)}};
    if (mark.kind != InitFingerprint::kNone) {
      out["initialisation"]["matched"] = mark.matched;
      out["initialisation"]["tested"] = mark.tested;
    }
  }
  return out;
}

Json texts(const std::vector<std::string>& raw) {
  Json out = Json::array();
  for (const std::string& one : raw) out.push_back(text(one));
  return out;
}

/// `names`: those that the model's state_dict has for the tensor.
Json tensor_json(const Artifact& artifact, const Tensor& tensor,
                 const std::vector<std::string>& names) {
  Json out = {{"path", text(tensor.object_path)},
              {"aliases", texts(tensor.aliases)},
              {"names", texts(names)},
              {"role", torchvet::name_of(tensor.role)},
              {"dtype", torchvet::name_of(tensor.dtype)},
              {"shape", tensor.shape},
              {"strides", tensor.strides},
              {"storage_offset", tensor.storage_offset},
              {"storage", nullptr},
              {"device", text(tensor.device)},
              {"layout", name_of(tensor.layout)},
              {"requires_grad", tensor.requires_grad},
              {"is_parameter", tensor.is_parameter}};
  if (tensor.storage) {
    const Storage& storage = artifact.storages[*tensor.storage];
    out["storage"] = {{"key", text(storage.key)},
                      {"declared_bytes", storage.declared_bytes},
                      {"bytes", range(storage.bytes.range())}};
  }
  if (tensor.values && tensor.values->digest) out["digest"] = to_hex(*tensor.values->digest);
  if (tensor.values && (tensor.values->computed & kSums) != 0) {
    out["values"] = values_json(*tensor.values);
  }
  return out;
}

Json tensors_part(const Artifact& artifact, const ModelView* model) {
  std::vector<std::vector<std::string>> names(artifact.tensors.size());
  if (model != nullptr) {
    for (const StateEntry& entry : model->entries) names[entry.tensor].push_back(entry.name);
  }
  Json out = Json::array();
  for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
    out.push_back(tensor_json(artifact, artifact.tensors[id], names[id]));
  }
  return out;
}

/// The tensors, and how many parameters the model has: a contract for `--expect`.
void add_tensors(Json& out, const Artifact& artifact) {
  const std::vector<ModelView> models = model_views(artifact);
  if (!models.empty()) {
    const auto count = count_parameters(artifact, models.front().entries);
    if (count) out["parameters"] = *count;
  }
  out["tensors"] = tensors_part(artifact, models.empty() ? nullptr : &models.front());
}

Json held(const Artifact& artifact, const std::vector<ModuleTensor>& tensors) {
  Json out = Json::array();
  for (const ModuleTensor& tensor : tensors) {
    Json one = {{"name", text(tensor.name)}, {"tensor", nullptr}};
    if (tensor.tensor) one["tensor"] = text(artifact.tensors[*tensor.tensor].object_path);
    out.push_back(std::move(one));
  }
  return out;
}

Json modules_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const Module& module : artifact.modules) {
    Json one = {{"path", text(module.path)},
                {"class", text(module.class_name)},
                {"training", nullptr},
                {"registered", module.registration == Registration::kRegistered},
                {"initialised", module.initialised},
                {"parameters", held(artifact, module.parameters)},
                {"buffers", held(artifact, module.buffers)},
                {"tensor_attributes", held(artifact, module.tensor_attributes)}};
    if (module.training) one["training"] = *module.training;
    if (!module.held_by_attribute.empty()) one["held_by"] = text(module.held_by_attribute);
    out.push_back(std::move(one));
  }
  return out;
}

Json graph_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const Graph& graph : artifact.graphs) out.push_back(graph_json(graph));
  return out;
}

Json optimizer_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const OptimizerAlignment alignment = align_optimizer(artifact, optimizer);
    Json parameters = Json::array();
    for (const AlignedParameter& listed : alignment.parameters) {
      Json slots = Json::array();
      if (listed.entry != nullptr) {
        for (const auto& [slot, tensor] : listed.entry->slots) slots.push_back(text(slot));
      }
      Json one = {{"key", text(listed.key)}, {"name", nullptr}, {"slots", std::move(slots)}};
      if (listed.parameter) one["name"] = text(listed.parameter->name);
      if (listed.entry != nullptr && listed.entry->step) one["step"] = *listed.entry->step;
      parameters.push_back(std::move(one));
    }
    Json groups = Json::array();
    for (const ParamGroup& group : optimizer.groups) {
      Json numbers = Json::object();
      for (const auto& [name, number] : group.numbers) numbers[text(name)] = number;
      groups.push_back({{"params", group.params.size()}, {"numbers", std::move(numbers)}});
    }
    out.push_back({{"path", text(optimizer.path)},
                   {"groups", std::move(groups)},
                   {"parameters", std::move(parameters)}});
  }
  return out;
}

Json pickle_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const PickleProgram& pickle : artifact.pickles) {
    Json imports = Json::array();
    for (const PickleProgram::Import& import : pickle.imports) {
      imports.push_back({{"module", text(import.module)},
                         {"name", text(import.name)},
                         {"bytes", range(import.where)}});
    }
    Json calls = Json::array();
    for (const PickleProgram::Call& call : pickle.calls) {
      calls.push_back({{"callable", text(artifact.objects.qualified_name(call.callable))},
                       {"bytes", range(call.where)}});
    }
    out.push_back({{"name", text(pickle.name)},
                   {"protocol", pickle.protocol},
                   {"opcodes", pickle.opcodes},
                   {"bytes", range(pickle.where)},
                   {"imports", std::move(imports)},
                   {"calls", std::move(calls)}});
  }
  return out;
}

/// `opens` is null where it is not decided.
Json loaders_part(const Artifact& artifact) {
  Json out = Json::array();
  for (const LoaderPrediction& prediction : artifact.loaders) {
    Json one = {{"loader", text(prediction.loader)},
                {"opens", nullptr},
                {"error", text(prediction.error)},
                {"remedy", text(prediction.remedy)}};
    if (prediction.opens) one["opens"] = *prediction.opens;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string_view name_of(TensorRole role) {
  switch (role) {
    case TensorRole::kOther:
      return "other";
    case TensorRole::kParameter:
      return "parameter";
    case TensorRole::kBuffer:
      return "buffer";
    case TensorRole::kConstant:
      return "constant";
    case TensorRole::kAttribute:
      return "attribute";
    case TensorRole::kOptimizer:
      return "optimizer";
    case TensorRole::kExampleInput:
      return "example-input";
  }
  return "other";
}

Json inspect_json(const Artifact& artifact, const std::vector<Part>& parts) {
  Json out = {{"path", text(artifact.source.path)}};
  for (const Part part : parts) {
    switch (part) {
      case Part::kSummary:
        out["summary"] = summary_part(artifact);
        break;
      case Part::kMembers:
        out["members"] = members_part(artifact);
        break;
      case Part::kTensors:
        add_tensors(out, artifact);
        break;
      case Part::kModules:
        out["modules"] = modules_part(artifact);
        break;
      case Part::kGraph:
        out["graph"] = graph_part(artifact);
        break;
      case Part::kOptimizer:
        out["optimizer"] = optimizer_part(artifact);
        break;
      case Part::kPickle:
        out["pickle"] = pickle_part(artifact);
        break;
      case Part::kLoaders:
        out["loaders"] = loaders_part(artifact);
        break;
    }
  }
  out["gaps"] = Json::array();
  for (const Gap& gap : artifact.gaps) {
    out["gaps"].push_back({{"what", text(gap.what)}, {"why", text(gap.why)}});
  }
  return out;
}

}  // namespace torchvet
