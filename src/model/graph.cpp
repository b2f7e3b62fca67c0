#include "model/graph.h"

#include <string>
#include <string_view>

namespace torchvet {
namespace {

bool is_passed_through(std::string_view file) {
  return file.ends_with("torch/nn/functional.py") || file.ends_with("torch/_jit_internal.py");
}

}  // namespace

bool is_in_torch(std::string_view file) {
  return file.find("/torch/") != std::string_view::npos || file.starts_with("torch/");
}

const SourceLine* user_frame(const Node& node) {
  for (const SourceLine& frame : node.frames) {
    if (!is_in_torch(frame.file)) return &frame;
  }
  return node.frames.empty() ? nullptr : &node.frames.front();
}

std::string operator_text(const Node& node) {
  return node.made_from.empty() ? node.op : node.made_from + " (as " + node.op + ")";
}

bool called_by_nn_module(const Node& node) {
  for (const SourceLine& frame : node.frames) {
    if (is_passed_through(frame.file)) continue;
    return frame.file.find("torch/nn/modules/") != std::string::npos;
  }
  return false;
}

}  // namespace torchvet
