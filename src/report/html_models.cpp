// What the script of the page draws, as data, and a table of the topmost modules for readers
// without it. A model may have a hundred thousand tensors, of which a reader opens a few: the page
// carries each as a few dozen bytes of JSON and makes elements of those that are opened.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/inspect.h"
#include "report/model_tree.h"
#include "report/words.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostNodes = 200'000;  ///< of all models of a page
constexpr std::size_t kMostRows = 60;        ///< of the table of the topmost modules
constexpr std::size_t kMostAliases = 4;
constexpr std::size_t kMostMarks = 20;  ///< findings that a node lists
constexpr std::uint64_t kHighest = 100;

/// What was found at a node.
struct Mark {
  std::set<std::size_t> numbers;  ///< of the findings on the page
  Severity worst = Severity::kNote;
};

/// What was found at or below a node.
struct Sum {
  std::uint64_t findings = 0;
  Severity worst = Severity::kNote;
};

std::string number_text(double number) { return fmt::format("{:.4g}", number); }

/// The heights of the steps, the highest 100; a step with a number in it is never 0.
Json spread_json(const ReportedSpread& spread) {
  const std::uint64_t most = *std::max_element(spread.counts.begin(), spread.counts.end());
  Json heights = Json::array();
  for (const std::uint64_t count : spread.counts) {
    const double share = most > 0 ? static_cast<double>(count) / static_cast<double>(most) : 0;
    heights.push_back(count == 0 ? 0
                                 : std::max<std::uint64_t>(
                                       1, static_cast<std::uint64_t>(share * kHighest + 0.5)));
  }
  Json out = {{"exponent", spread.exponent},
              {"first", spread.first_step},
              {"steps", ReportedSpread::kStepsEachWay},
              {"heights", std::move(heights)}};
  if (spread.below > 0) out["below"] = spread.below;
  if (spread.above > 0) out["above"] = spread.above;
  return out;
}

Json numbers_json(const ReportedNumbers& numbers) {
  Json out = {{"count", numbers.numbers}};
  if (numbers.nan > 0) out["nan"] = numbers.nan;
  if (numbers.infinite > 0) out["infinite"] = numbers.infinite;
  if (numbers.zero > 0) out["zero"] = numbers.zero;
  if (numbers.finite() == 0) return out;
  out["min"] = number_text(numbers.min);
  out["max"] = number_text(numbers.max);
  out["mean"] = number_text(numbers.mean);
  if (numbers.deviation) out["deviation"] = number_text(*numbers.deviation);
  if (numbers.spread) out["spread"] = spread_json(*numbers.spread);
  return out;
}

void add_tensor(Json& out, const ReportedTensor& tensor) {
  out["shape"] = fmt::format("{}", fmt::join(tensor.shape, " \u00d7 "));
  out["dtype"] = tensor.dtype;
  if (!tensor.device.empty()) out["device"] = printed(tensor.device, kMaxPrinted);
  out["role"] = name_of(tensor.role);
  if (tensor.elements) out["elements"] = *tensor.elements;
  for (std::size_t i = 0; i < std::min(tensor.aliases.size(), kMostAliases); ++i) {
    out["aliases"].push_back(printed(tensor.aliases[i], kMaxPrinted));
  }
  if (tensor.aliases.size() > kMostAliases) {
    out["more_aliases"] = tensor.aliases.size() - kMostAliases;
  }
  if (tensor.numbers) out["numbers"] = numbers_json(*tensor.numbers);
}

std::string kinds_text(const std::vector<std::string_view>& kinds, bool more) {
  std::vector<std::string> shown;
  for (const std::string_view kind : kinds) shown.push_back(printed(kind, kMaxPrinted));
  std::sort(shown.begin(), shown.end());
  return fmt::format("{}{}", fmt::join(shown, ", "), more ? ", ..." : "");
}

std::string module_class(const TreeNode& node) {
  return node.module == nullptr ? "" : printed(node.module->class_name, kMaxPrinted);
}

class ModelWriter {
 public:
  ModelWriter(const ReportedArtifact& artifact, const PageFindings& findings,
              const std::vector<const ReportedFinding*>& own, std::size_t room)
      : artifact_(artifact), tree_(tree_of(*artifact.model, room)), sums_(tree_.nodes.size()) {
    for (const ReportedFinding* finding : own) {
      const auto number = findings.numbers.find(finding);
      const std::string& path = finding->finding.where.object_path;
      if (number == findings.numbers.end() || path.empty()) continue;
      const std::uint32_t node = place_of(path);
      if (node == 0) continue;  // no part of the tree
      Mark& mark = marks_[node];
      mark.numbers.insert(number->second);
      mark.worst = std::max(mark.worst, finding->finding.severity);
    }
    for (const auto& [node, mark] : marks_) {
      for (std::uint32_t at = node;; at = tree_.nodes[at].parent) {
        sums_[at].findings += mark.numbers.size();
        sums_[at].worst = std::max(sums_[at].worst, mark.worst);
        if (at == 0) break;
      }
    }
  }

  [[nodiscard]] std::size_t nodes() const { return tree_.nodes.size(); }

  std::string write(std::size_t index, bool open) const {
    const TreeNode& root = tree_.nodes.front();
    std::string out = fmt::format(
        "<details class=\"model\" id=\"model-{}\"{}>\n<summary><h3>{}</h3> <span>{}, {} in "
        "{}</span>"
        "</summary>\n",
        index, open ? " open" : "", html_text(artifact_.path),
        module_class(root).empty()
            ? html_text(artifact_.kind)
            : fmt::format("<code>{}</code>", html_escape(module_class(root))),
        counted(root.parameters, "parameter"), counted(root.tensors, "tensor"));
    const ReportedModel& model = *artifact_.model;
    if (model.optimizer_tensors > 0) {
      out += fmt::format("<p>{} of the optimizer are not shown.</p>\n",
                         counted(model.optimizer_tensors, "tensor"));
    }
    if (tree_.left_out > 0) {
      out += fmt::format("<p>{} more for which this page has no room.</p>\n",
                         counted(tree_.left_out, "tensor or module"));
    }
    if (!model.numbers_asked) {
      out += "<p>The numbers of the tensors were not read.</p>\n";
    }
    out += topmost();
    out += data_element(fmt::format("model-data-{}", index), nodes_json());
    return out + "</details>\n";
  }

 private:
  /// The node that a finding means; 0 where it means none.
  std::uint32_t place_of(const std::string& path) const {
    const std::uint32_t node = tree_.find(path);
    const std::string& state = artifact_.model->state_path;
    if (node != 0 || state.empty()) return node;
    const std::uint32_t below = tree_.find(fmt::format("{}.{}", state, path));
    return below == tree_.find(state) ? 0 : below;
  }

  /// The children of the root; the script puts its tree in the place of this table. Where scripts
  /// run, a browser makes no elements of it, which a page of a thousand models would be slow with.
  std::string topmost() const {
    std::string rows;
    std::size_t count = 0;
    for (std::uint32_t i = 1; i < tree_.nodes.size(); ++i) {
      const TreeNode& node = tree_.nodes[i];
      if (node.depth != 1 || ++count > kMostRows) continue;
      rows += fmt::format(
          "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td class=\"number\">{}</td>"
          "<td class=\"number\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
          html_text(node.name), html_escape(module_class(node)), grouped(node.parameters),
          grouped(node.tensors), html_escape(kinds_text(node.dtypes, node.more_dtypes)),
          html_escape(kinds_text(node.devices, node.more_devices)),
          sums_[i].findings == 0 ? ""
                                 : severity_badge(sums_[i].worst) + grouped(sums_[i].findings));
    }
    std::string more;
    if (count > kMostRows) more = fmt::format("<p>and {} more.</p>\n", grouped(count - kMostRows));
    return "<div class=\"tree\">\n<noscript>\n" +
           table("Topmost modules of " + html_text(artifact_.path),
                 "<th scope=\"col\">name</th><th scope=\"col\">class</th>"
                 "<th scope=\"col\" class=\"number\">parameters</th>"
                 "<th scope=\"col\" class=\"number\">tensors</th><th scope=\"col\">types</th>"
                 "<th scope=\"col\">devices</th><th scope=\"col\">findings</th>",
                 rows) +
           more + "</noscript>\n</div>\n";
  }

  Json nodes_json() const {
    Json nodes = Json::array();
    for (std::uint32_t i = 0; i < tree_.nodes.size(); ++i) nodes.push_back(node_json(i));
    return nodes;
  }

  Json node_json(std::uint32_t i) const {
    const TreeNode& node = tree_.nodes[i];
    Json out = {{"depth", node.depth}, {"name", printed(node.name, kMaxPrinted)}};
    if (node.module != nullptr) {
      out["class"] = module_class(node);
      if (node.module->training) out["mode"] = *node.module->training ? "train" : "eval";
      if (!node.module->registered) out["unregistered"] = true;
    }
    const std::uint64_t below = node.tensors - (node.tensor != nullptr ? 1 : 0);
    if (node.tensor != nullptr) add_tensor(out, *node.tensor);
    if (node.tensor == nullptr || below > 0) {
      out["parameters"] = node.parameters;
      out["tensors"] = node.tensors;
      out["dtypes"] = kinds_text(node.dtypes, node.more_dtypes);
      out["devices"] = kinds_text(node.devices, node.more_devices);
    }
    if (sums_[i].findings > 0) {
      out["findings"] = sums_[i].findings;
      out["worst"] = name_of(sums_[i].worst);
    }
    if (const auto mark = marks_.find(i); mark != marks_.end()) {
      for (const std::size_t number : mark->second.numbers) {
        out["marks"].push_back(number);
        if (out["marks"].size() == kMostMarks) break;
      }
    }
    return out;
  }

  const ReportedArtifact& artifact_;
  const ModelTree tree_;
  std::map<std::uint32_t, Mark> marks_;
  std::vector<Sum> sums_;
};

}  // namespace

std::string models_section(const Report& report, const PageFindings& findings) {
  std::map<std::string_view, std::vector<const ReportedFinding*>> by_artifact;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.status == FindingStatus::kNew) {
      by_artifact[finding.finding.where.artifact].push_back(&finding);
    }
  }
  std::size_t with_model = 0, shown = 0, room = kMostNodes;
  for (const ReportedArtifact& artifact : report.artifacts) with_model += artifact.model ? 1 : 0;
  std::string models;
  for (const ReportedArtifact& artifact : report.artifacts) {
    if (!artifact.model || room == 0) continue;
    const ModelWriter writer(artifact, findings, by_artifact[artifact.path], room);
    room -= std::min(room, writer.nodes());
    models += writer.write(++shown, with_model == 1);
  }
  std::string out = fmt::format(
      "<section id=\"models\" aria-labelledby=\"models-title\"{}>\n"
      "<h2 id=\"models-title\">Models</h2>\n",
      many_mark(shown));
  if (with_model == 0) {
    out +=
        "<p class=\"nothing\">There are no modules and tensors here: the files hold none, or the "
        "page "
        "was made of a JSON report, which does not hold them.</p>\n";
  } else if (shown < with_model) {
    out += fmt::format("<p>{} of {}: this page has room for {} modules and tensors.</p>\n",
                       grouped(shown), counted(with_model, "model"), grouped(kMostNodes));
  }
  out += models;
  return out + "</section>\n";
}

}  // namespace torchvet
