#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/escape.h"
#include "model/optimizer_alignment.h"
#include "report/graph_dump.h"
#include "report/inspect.h"
#include "report/words.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kMaxClasses = 8;

std::string shown(std::string_view raw) { return escape_text(raw); }

/// Lines of columns, each as wide as its widest cell; the last one is not padded.
class Table {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) {
        widths[i] = std::max(widths[i], display_width(row[i]));
      }
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = " ";
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::size_t padding = i + 1 < row.size() ? widths[i] - display_width(row[i]) : 0;
        line += " " + row[i] + std::string(padding + (i + 1 < row.size() ? 1 : 0), ' ');
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "12 float32, 1 int64".
std::string counts(const std::map<std::string, std::uint64_t>& map, std::size_t most = SIZE_MAX) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : map) {
    if (parts.size() == most) break;
    parts.push_back(fmt::format("{} {}", count, shown(name)));
  }
  std::string text = fmt::format("{}", fmt::join(parts, ", "));
  if (parts.size() < map.size()) text += fmt::format(" and {} more", map.size() - parts.size());
  return text;
}

void add_group(Table& table, std::string_view label, const Summary::Tensors& group) {
  if (group.count == 0) return;
  table.add(
      {std::string(label), fmt::format("{} numbers in {} tensors: {}; on {}", group.elements,
                                       group.count, counts(group.dtypes), counts(group.devices))});
}

void add_exported(Table& table, const ExportedInfo& info) {
  if (!info.models.empty()) {
    std::string text = fmt::format("schema {}.{}", info.schema_major, info.schema_minor);
    if (!info.torch_version.empty()) text += ", written by torch " + shown(info.torch_version);
    if (info.older_layout) text += ", in the layout of torch before 2.8";
    if (info.decomposed) text += ", decomposed";
    if (info.dynamic) text += ", with sizes that are not fixed";
    table.add({"program", text});
  }
  for (const CompiledModel& model : info.compiled) {
    table.add(
        {"compiled", fmt::format("{} parts of native code{}", model.parts.size(),
                                 model.name.empty() ? "" : " for `" + shown(model.name) + "`")});
    for (const auto& [key, value] : model.notes) {
      table.add({"", fmt::format("{}: {}", shown(key), shown(value))});
    }
    for (const std::string& part : model.parts) table.add({"", shown(part)});
  }
}

std::string summary_part(const Artifact& artifact) {
  const Summary summary = summarise(artifact);
  Table table;
  table.add({"format", fmt::format("{}, {}", name_of(artifact.format), name_of(artifact.kind))});
  table.add({"size", size_text(artifact.source.size)});
  if (artifact.source.contents) {
    table.add({"contents", fmt::format("{} ({})", size_text(*artifact.source.contents),
                                       artifact.source.compression)});
  }
  if (!artifact.looks_like.empty()) table.add({"looks like", shown(artifact.looks_like)});
  add_group(table, "parameters", summary.parameters);
  add_group(table, "buffers", summary.buffers);
  add_group(table, "others", summary.others);
  if (!artifact.storages.empty()) {
    table.add({"storages", fmt::format("{} of {}", artifact.storages.size(),
                                       size_text(summary.storage_bytes))});
  }
  if (!artifact.modules.empty()) {
    table.add({"modules", counts(summary.classes, kMaxClasses)});
    if (summary.training + summary.evaluating > 0) {
      table.add({"mode", fmt::format("{} in training mode, {} in evaluation mode", summary.training,
                                     summary.evaluating)});
    }
  }
  std::vector<std::string> said;  // each shard of a model says the same
  for (std::size_t i = 0; i < artifact.metadata.size() && said.size() < kMaxMetadata; ++i) {
    const auto& [key, value] = artifact.metadata[i];
    std::string line = fmt::format("{}: {}", shown(key), shown(value));
    if (std::find(said.begin(), said.end(), line) != said.end()) continue;
    table.add({said.empty() ? "says" : "", line});
    said.push_back(std::move(line));
  }
  if (artifact.script) {
    table.add(
        {"program",
         fmt::format("{} {}, archive version {}", artifact.script->traced ? "traced" : "scripted",
                     shown(artifact.script->root_class), artifact.script->version)});
  }
  if (artifact.exported) add_exported(table, *artifact.exported);
  for (const StateDict& state : artifact.state_dicts) {
    table.add({"state", fmt::format("{} tensors{}{}", state.entries.size(),
                                    state.path.empty() ? "" : " in `" + shown(state.path) + "`",
                                    state.is_average ? ", an average" : "")});
  }
  for (const OptimizerState& optimizer : artifact.optimizers) {
    table.add({"optimizer", fmt::format("`{}` with state of {} parameters", shown(optimizer.path),
                                        optimizer.state.size())});
  }
  return table.text();
}

std::string members_part(const Artifact& artifact) {
  Table table;
  for (const Member& member : artifact.members) {
    table.add({std::to_string(member.data.offset), size_text(member.size),
               member.method == 0   ? "stored"
               : member.method == 8 ? "deflated"
                                    : "packed",
               shown(member.name)});
  }
  return table.text();
}

/// "-0.25 .. 0.25, mean 0.001, 3 NaN, untouched since it was drawn (uniform)".
std::string shown_values(const ValueFacts& facts) {
  const std::uint64_t infinite = facts.positive_infinity + facts.negative_infinity;
  const std::uint64_t finite = facts.numbers - facts.nan - infinite;
  if (facts.numbers == 0) return "empty";
  std::string out = "nothing finite";
  if (finite > 0) {
    out = fmt::format("{:.6g} .. {:.6g}, mean {:.6g}", facts.min, facts.max,
                      facts.sum / static_cast<double>(finite));
  }
  if (facts.nan > 0) out += fmt::format(", {} NaN", facts.nan);
  if (infinite > 0) out += fmt::format(", {} infinite", infinite);
  if (facts.zero > 0) out += fmt::format(", {} zero", facts.zero);
  if (facts.fingerprint && facts.fingerprint->kind != InitFingerprint::kNone) {
    out += fmt::format(", untouched since it was drawn ({})", name_of(facts.fingerprint->kind));
  }
  return out;
}

std::string tensors_part(const Artifact& artifact) {
  Table table;
  for (const Tensor& tensor : artifact.tensors) {
    std::vector<std::string> row = {
        shown(tensor.object_path),
        fmt::format("{} [{}]", name_of(tensor.dtype), fmt::join(tensor.shape, ", ")),
        shown(tensor.device),
        tensor.storage
            ? fmt::format("storage {} + {}", shown(artifact.storages[*tensor.storage].key),
                          tensor.storage_offset)
            : std::string("no storage")};
    if (tensor.values && tensor.values->digest) row.push_back(to_hex(*tensor.values->digest));
    if (tensor.values && (tensor.values->computed & kSums) != 0) {
      row.push_back(shown_values(*tensor.values));
    }
    if (!tensor.aliases.empty()) {
      row.push_back(fmt::format("= {}", shown(fmt::format("{}", fmt::join(tensor.aliases, ", ")))));
    }
    table.add(std::move(row));
  }
  return table.text();
}

std::string names_of(const std::vector<ModuleTensor>& tensors) {
  std::vector<std::string> names;
  for (const ModuleTensor& tensor : tensors) {
    names.push_back(shown(tensor.name) + (tensor.tensor ? "" : " (None)"));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string modules_part(const Artifact& artifact) {
  Table table;
  for (const Module& module : artifact.modules) {
    std::vector<std::string> holds;
    const auto add = [&](std::string_view what, const std::vector<ModuleTensor>& tensors) {
      if (!tensors.empty()) holds.push_back(fmt::format("{}: {}", what, names_of(tensors)));
    };
    add("parameters", module.parameters);
    add("buffers", module.buffers);
    add("plain tensors", module.tensor_attributes);
    if (module.registration == Registration::kUnregistered) holds.emplace_back("not registered");
    if (!module.initialised) holds.emplace_back("not initialised");
    table.add({module.path.empty() ? "(root)" : shown(module.path), shown(module.class_name),
               !module.training   ? "-"
               : *module.training ? "train"
                                  : "eval",
               fmt::format("{}", fmt::join(holds, "; "))});
  }
  return table.text();
}

std::string graph_part(const Artifact& artifact) {
  std::string out;
  for (const Graph& graph : artifact.graphs) {
    if (!out.empty()) out += '\n';
    out += graph_text(graph);
  }
  return out;
}

std::string step_text(const Artifact& artifact, const OptimizerEntry& entry) {
  if (entry.step) return fmt::format("step {}", *entry.step);
  if (!entry.step_tensor) return "";
  const std::optional<ValueFacts>& values = artifact.tensors[*entry.step_tensor].values;
  return values && (values->computed & kMoments) != 0 ? fmt::format("step {}", values->first) : "";
}

std::string optimizer_part(const Artifact& artifact) {
  std::string out;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    out += fmt::format("  `{}`\n", shown(optimizer.path));
    for (const ParamGroup& group : optimizer.groups) {
      std::string numbers;
      for (const auto& [name, number] : group.numbers) {
        numbers += fmt::format(", {} {}", shown(name), number);
      }
      out += fmt::format("  group of {} parameters{}\n", group.params.size(), numbers);
    }
    Table table;
    for (const AlignedParameter& listed : align_optimizer(artifact, optimizer).parameters) {
      std::vector<std::string> slots;
      if (listed.entry != nullptr) {
        for (const auto& [slot, tensor] : listed.entry->slots) slots.push_back(shown(slot));
      }
      table.add({shown(listed.key),
                 listed.parameter ? shown(listed.parameter->name) : "(undecided)",
                 listed.entry != nullptr ? step_text(artifact, *listed.entry) : "",
                 slots.empty() ? "no state" : fmt::format("{}", fmt::join(slots, ", "))});
    }
    out += table.text();
  }
  return out;
}

std::string pickle_part(const Artifact& artifact) {
  std::string out;
  for (const PickleProgram& pickle : artifact.pickles) {
    out += fmt::format("  {}: protocol {}, {} opcodes, bytes {} to {}\n", shown(pickle.name),
                       pickle.protocol, pickle.opcodes, pickle.where.offset,
                       pickle.where.offset + pickle.where.length);
    std::map<std::string, std::uint64_t> calls;
    for (const PickleProgram::Call& call : pickle.calls) {
      ++calls[artifact.objects.qualified_name(call.callable)];
    }
    std::map<std::string, std::uint64_t> imports;
    for (const PickleProgram::Import& import : pickle.imports) {
      ++imports[import.module + "." + import.name];
    }
    Table table;
    for (const auto& [name, count] : imports) {
      const auto called = calls.find(name);
      table.add({"import", shown(name),
                 called == calls.end() ? "" : fmt::format("called {} times", called->second)});
    }
    out += table.text();
  }
  return out;
}

std::string loaders_part(const Artifact& artifact) {
  constexpr std::size_t kLongest = 4000;  // a remedy names everything that must be allowed
  std::string out;
  for (const LoaderPrediction& prediction : artifact.loaders) {
    out += fmt::format("  {}: {}\n", shown(prediction.loader),
                       !prediction.opens   ? "not decided"
                       : *prediction.opens ? "opens"
                                           : "fails");
    if (!prediction.error.empty()) {
      out += fmt::format("    {}  {}\n", prediction.opens ? "says" : "because",
                         shown(prediction.error));
    }
    if (!prediction.remedy.empty()) {
      out += fmt::format("    do  {}\n", escape_text(prediction.remedy, kLongest));
    }
  }
  return out;
}

std::string part_text(const Artifact& artifact, Part part) {
  switch (part) {
    case Part::kSummary:
      return summary_part(artifact);
    case Part::kMembers:
      return members_part(artifact);
    case Part::kTensors:
      return tensors_part(artifact);
    case Part::kModules:
      return modules_part(artifact);
    case Part::kGraph:
      return graph_part(artifact);
    case Part::kOptimizer:
      return optimizer_part(artifact);
    case Part::kPickle:
      return pickle_part(artifact);
    case Part::kLoaders:
      return loaders_part(artifact);
  }
  return "";
}

}  // namespace

std::string inspect_text(const Artifact& artifact, const std::vector<Part>& parts) {
  std::string out;
  for (const Part part : parts) {
    const std::string text = part_text(artifact, part);
    if (parts.size() > 1) out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", name_of(part));
    out += text.empty() ? "  none\n" : text;
  }
  for (const Gap& gap : artifact.gaps) {
    out += fmt::format("not analysed: {}: {}\n", shown(gap.what), shown(gap.why));
  }
  return out;
}

}  // namespace torchvet
