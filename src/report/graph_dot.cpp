#include "report/graph_dot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/escape.h"
#include "report/graph_dump.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostFrames = 16;     ///< of modules inside each other; deeper ones share one
constexpr std::size_t kMostArguments = 12;  ///< named in a tooltip
constexpr std::size_t kMostBytes = 200;     ///< of each

/// A quoted string of dot. `text` has been escaped, so it holds no control bytes; a backslash and an
/// ampersand mean something to dot as well. Lines are joined by dot's own line break.
std::string quoted(const std::vector<std::string>& lines) {
  std::string out = "\"";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\\n";
    for (const char c : lines[i]) {
      if (c == '&') {
        out += "&amp;";
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

/// The modules around something: "layers.0.fc" is fc in 0 in layers.
std::vector<std::string> frames_of(std::string_view path) {
  std::vector<std::string> frames;
  while (!path.empty()) {
    const std::size_t dot = frames.size() + 1 < kMostFrames ? path.find('.') : path.npos;
    frames.emplace_back(path.substr(0, dot));
    path = dot == path.npos ? std::string_view() : path.substr(dot + 1);
  }
  return frames;
}

std::string_view module_of_attribute(std::string_view attribute) {
  const std::size_t dot = attribute.rfind('.');
  return dot == attribute.npos ? std::string_view() : attribute.substr(0, dot);
}

/// "net.py:23": the author's line.
std::string line_of(const Node& node) {
  const SourceLine* frame = user_frame(node);
  if (frame == nullptr) return {};
  const std::string_view file = frame->file;
  const std::size_t slash = file.rfind('/');
  return fmt::format("{}:{}", escape_text(slash == file.npos ? file : file.substr(slash + 1)),
                     frame->line);
}

/// Escaped text, cut between two characters where it is long.
std::string shortened(std::string text) {
  if (text.size() <= kMostBytes) return text;
  std::size_t end = kMostBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

/// One picture. Ids are made of a letter and a number, so no text of the artifact can be one.
class Picture {
 public:
  explicit Picture(const Graph& graph) : graph_(graph) {}

  std::string text() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) add_operator(id);
    for (BlockId id = 0; id < graph_.blocks.size(); ++id) add_results(id);
    std::string out = fmt::format("digraph {} {{\n", quoted({escape_text(graph_.method)}));
    out += "  rankdir=TB;\n  node [shape=ellipse, fontname=\"sans-serif\"];\n"
           "  edge [fontname=\"sans-serif\", fontsize=10];\n";
    add_framed(out);
    for (const std::string& edge : edges_) out += "  " + edge + "\n";
    return out + "}\n";
  }

 private:
  struct Drawn {
    std::vector<std::string> frames;
    std::string text;
  };

  void draw(std::string_view module, std::string text) {
    drawn_.push_back({frames_of(module), std::move(text)});
  }

  void add_operator(NodeId id) {
    const Node& node = graph_.nodes[id];
    std::vector<std::string> label = {escape_text(node.op)};
    if (!node.overload.empty()) label.back() += "." + escape_text(node.overload);
    if (std::string line = line_of(node); !line.empty()) label.push_back(std::move(line));
    std::vector<std::string> numbers;
    for (const NodeInput& input : node.inputs) {
      const std::string argument = escape_text(input.argument);
      if (const std::optional<std::string> from = source_of(input.value)) {
        edges_.push_back(fmt::format("{} -> n{} [label={}];", *from, id, quoted({argument})));
      } else if (numbers.size() < kMostArguments) {
        numbers.push_back(argument + (argument.empty() ? "" : "=") +
                          shortened(value_text(graph_.values[input.value])));
      }
    }
    if (numbers.empty()) numbers.emplace_back("no other arguments");
    draw(node.module_path,
         fmt::format("n{} [label={}, tooltip={}];", id, quoted(label), quoted(numbers)));
  }

  /// What a block hands on to the operator that it belongs to; the top block to the caller.
  void add_results(BlockId id) {
    const Block& block = graph_.blocks[id];
    if (id == 0 && !block.results.empty()) {
      draw("", "result [label=\"result\", shape=plaintext];");
    }
    for (const ValueId result : block.results) {
      const std::optional<std::string> from = source_of(result);
      if (!from) continue;
      if (id == 0) edges_.push_back(*from + " -> result;");
      if (id != 0 && block.node) {
        edges_.push_back(fmt::format("{} -> n{} [style=dashed];", *from, *block.node));
      }
    }
  }

  /// What a value is drawn as; nothing for numbers, texts and modules.
  std::optional<std::string> source_of(ValueId id) {
    const Value& value = graph_.values[id];
    if (value.producer) return fmt::format("n{}", *value.producer);
    if (value.attribute) return attribute(value);
    if (value.literal) return constant(*value.literal);
    if (!value.owner || value.type == ValueType::kModule) return std::nullopt;
    if (const std::optional<NodeId> node = graph_.blocks[*value.owner].node; *value.owner != 0) {
      return node ? std::optional(fmt::format("n{}", *node)) : std::nullopt;
    }
    const auto [at, fresh] = inputs_.emplace(id, fmt::format("i{}", inputs_.size()));
    if (fresh) {
      draw("", fmt::format("{} [label={}, shape=plaintext];", at->second,
                           quoted({escape_text(value.name)})));
    }
    return at->second;
  }

  std::optional<std::string> attribute(const Value& value) {
    switch (value.type) {
      case ValueType::kOther:
      case ValueType::kTensor:
      case ValueType::kList:
      case ValueType::kTuple:
      case ValueType::kObject:
        break;
      default:
        return std::nullopt;
    }
    const auto [at, fresh] = weights_.emplace(*value.attribute, fmt::format("w{}", weights_.size()));
    if (fresh) {
      const std::size_t path = module_of_attribute(*value.attribute).size();
      const std::string name = value.attribute->substr(path == 0 ? 0 : path + 1);
      draw(module_of_attribute(*value.attribute),
           fmt::format("{} [label={}, tooltip={}, shape=box];", at->second,
                       quoted({escape_text(name)}), quoted({escape_text(*value.attribute)})));
    }
    return at->second;
  }

  std::optional<std::string> constant(const Literal& literal) {
    const Literal::Constant* found = std::get_if<Literal::Constant>(&literal.value);
    if (found == nullptr) return std::nullopt;
    const auto [at, fresh] =
        constants_.emplace(found->index, fmt::format("c{}", constants_.size()));
    if (fresh) {
      draw("", fmt::format("{} [label=\"CONSTANTS[{}]\", shape=box, style=dashed];", at->second,
                           found->index));
    }
    return at->second;
  }

  /// Everything, sorted by module, in one frame for each module: frames open and close as in a text
  /// that is indented.
  void add_framed(std::string& out) {
    std::stable_sort(drawn_.begin(), drawn_.end(),
                     [](const Drawn& a, const Drawn& b) { return a.frames < b.frames; });
    std::vector<std::string> open;
    std::size_t frames = 0;
    for (const Drawn& drawn : drawn_) {
      std::size_t shared = 0;
      while (shared < std::min(open.size(), drawn.frames.size()) &&
             open[shared] == drawn.frames[shared]) {
        ++shared;
      }
      close_frames(out, open, shared);
      while (open.size() < drawn.frames.size()) {
        open.push_back(drawn.frames[open.size()]);
        const std::string indent(2 * open.size(), ' ');
        out += fmt::format("{}subgraph cluster_{} {{\n{}  label={};\n", indent, frames++, indent,
                           quoted({escape_text(open.back())}));
      }
      out += std::string(2 * open.size() + 2, ' ') + drawn.text + "\n";
    }
    close_frames(out, open, 0);
  }

  static void close_frames(std::string& out, std::vector<std::string>& open, std::size_t left) {
    while (open.size() > left) {
      out += std::string(2 * open.size(), ' ') + "}\n";
      open.pop_back();
    }
  }

  const Graph& graph_;
  std::vector<Drawn> drawn_;
  std::vector<std::string> edges_;
  std::map<ValueId, std::string> inputs_;
  std::map<std::string, std::string> weights_;
  std::map<std::uint32_t, std::string> constants_;
};

}  // namespace

std::string graphs_dot(const std::vector<Graph>& graphs, const std::vector<Gap>& gaps) {
  std::string out;
  for (const Graph& graph : graphs) out += Picture(graph).text();
  if (graphs.empty()) out = "digraph {\n}\n";
  for (const Gap& gap : gaps) {
    out += fmt::format("// not analysed: {}: {}\n", escape_text(gap.what), escape_text(gap.why));
  }
  return out;
}

}  // namespace torchvet
