#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/full.h>
#include <caffe2/serialize/versions.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/operator_upgraders/upgraders_entry.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torch/custom_class.h>
#include <torch/version.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/class_stubs.h"
#include "worker/flatten.h"
#include "worker/lower.h"
#include "worker/stubs.h"

namespace torchvet {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMaxReason = 600;

/// What LibTorch said, without its C++ stack and in bounds. It may quote the hostile source.
std::string reason_of(const std::exception& error) {
  const c10::Error* libtorch = dynamic_cast<const c10::Error*>(&error);
  std::string text = libtorch ? libtorch->what_without_backtrace() : error.what();
  const std::size_t begin = text.find_first_not_of(" \n");
  text = begin == std::string::npos ? "no reason given" : text.substr(begin);
  const std::size_t end = text.find(":\n  File ");
  if (end != std::string::npos) text.resize(end);
  constexpr std::string_view kAddress = " (of Python compilation unit at: 0x";  // another each time
  for (std::size_t at = text.find(kAddress); at != std::string::npos; at = text.find(kAddress)) {
    const std::size_t close = text.find(')', at);
    text.erase(at, close == std::string::npos ? close : close + 1 - at);
  }
  if (text.size() > kMaxReason) text.resize(kMaxReason);
  return text;
}

/// What LibTorch's own reader of archives says first. From the version follows what old operators
/// mean: `div` of integers rounded before 4. Archives older than LibTorch get the replacements that
/// it keeps for them, which it parses once.
void accept_version(std::int64_t version) {
  constexpr std::int64_t kOldest = caffe2::serialize::kMinSupportedFileFormatVersion;
  constexpr std::int64_t kNewest = caffe2::serialize::kMaxSupportedFileFormatVersion;
  if (version < kOldest || version > kNewest) {
    throw std::runtime_error("the archive has version " + std::to_string(version) +
                             ", and LibTorch " + TORCH_VERSION + " reads " +
                             std::to_string(kOldest) + " to " + std::to_string(kNewest));
  }
  if (version < kNewest) jit::populate_upgraders_graph_map();
}

/// "__torch__/net.py" of the qualifier "__torch__.net".
std::string file_of(const std::string& qualifier) {
  std::string name = qualifier;
  std::replace(name.begin(), name.end(), '.', '/');
  return name + ".py";
}

/// An import of the whole program; everything LibTorch makes for it lives as long as this.
class Program {
 public:
  Program(const GraphRequest& request, const ClassStubs& classes)
      : unit_(std::make_shared<jit::CompilationUnit>()) {
    classes.register_in(*unit_);
    for (const GraphRequest::File& file : request.code) {
      const std::shared_ptr<jit::Source> source = std::make_shared<jit::Source>(
          file.text, file.name, 1, nullptr, jit::Source::COPIES_STRING);
      tables_.files.emplace(source.get(), static_cast<std::uint32_t>(sources_.size()));
      sources_.emplace(file.name, source);
    }
    const jit::SourceLoader load = [this](const std::string& qualifier) {
      const auto at = sources_.find(file_of(qualifier));
      return at == sources_.end() ? nullptr : at->second;
    };
    jit::SourceImporter importer(unit_, &constants_, load,
                                 static_cast<std::size_t>(request.version));
    make_constants(request, importer);
    const c10::TypePtr type = importer.loadType(c10::QualifiedName(request.root_class));
    root_ = type->cast<c10::ClassType>();
    if (!root_) throw std::runtime_error("the root is no class");
    for (const GraphRequest::Module& module : request.modules) add_module(module, importer);
  }

  [[nodiscard]] const ProgramTables& tables() const { return tables_; }

  /// forward first, then the others by name; nothing that only Python's protocols call.
  [[nodiscard]] std::vector<jit::GraphFunction*> methods() const {
    std::vector<jit::GraphFunction*> found;
    for (jit::Function* method : root_->methods()) {
      if (method->name().starts_with("__")) continue;
      if (jit::GraphFunction* graph = jit::tryToGraphFunction(*method)) found.push_back(graph);
    }
    std::sort(found.begin(), found.end(), [](const auto* a, const auto* b) {
      return std::pair(a->name() != "forward", a->name()) <
             std::pair(b->name() != "forward", b->name());
    });
    return found;
  }

 private:
  /// Stand-ins for the constants: tensors of one element, all different, because the import merges
  /// equal ones; objects which hold nothing but their index, because the import copies them. The
  /// tensors come first: the code of a class among the objects may read them.
  void make_constants(const GraphRequest& request, jit::SourceImporter& importer) {
    const std::vector<std::string>& classes = request.constants;
    constants_.resize(classes.size());
    for (std::uint32_t i = 0; i < classes.size(); ++i) {
      if (!classes[i].empty()) continue;
      const at::Tensor tensor = at::full({1}, static_cast<std::int64_t>(i), at::kLong);
      tables_.constants.emplace(tensor.unsafeGetTensorImpl(), i);
      constants_[i] = tensor;
    }
    for (std::uint32_t i = 0; i < classes.size(); ++i) {
      if (classes[i].empty()) continue;
      const c10::ClassTypePtr type = constant_type(classes[i], importer);
      const std::size_t slots = type->numAttributes();
      const c10::intrusive_ptr<c10::ivalue::Object> object =
          c10::ivalue::Object::create(c10::StrongTypePtr(unit_, type), slots);
      if (slots > 0) object->setSlot(0, static_cast<std::int64_t>(i));
      constants_[i] = object;
    }
  }

  void add_module(const GraphRequest::Module& module, jit::SourceImporter& importer) {
    try {
      const c10::TypePtr type = importer.loadType(c10::QualifiedName(module.class_name));
      if (c10::ClassTypePtr found = type->cast<c10::ClassType>()) {
        tables_.modules.emplace(module.path, std::move(found));
      }
    } catch (const std::exception&) {
      // Its calls through an interface stay calls.
    }
  }

  /// LibTorch's own, a stub, or a class of the program.
  c10::ClassTypePtr constant_type(const std::string& name, jit::SourceImporter& importer) {
    if (c10::ClassTypePtr type = torch::getCustomClass(name)) return type;
    const c10::QualifiedName qualified(name);
    if (c10::ClassTypePtr type = unit_->get_class(qualified)) return type;
    const c10::TypePtr type = name == "unknown" ? nullptr : importer.loadType(qualified);
    c10::ClassTypePtr found = type ? type->cast<c10::ClassType>() : nullptr;
    if (!found) throw std::runtime_error("a constant is of the unknown class " + name);
    return found;
  }

  std::shared_ptr<jit::CompilationUnit> unit_;
  std::unordered_map<std::string, std::shared_ptr<jit::Source>> sources_;
  std::vector<c10::IValue> constants_;
  ProgramTables tables_;
  c10::ClassTypePtr root_;
};

/// What the texts alone tell of operators and classes that this LibTorch does not have.
void add_stubs(const GraphRequest& request, ClassStubs& classes, OperatorStubs& operators) {
  for (const std::string& constant : request.constants) classes.add_class(constant);
  for (const GraphRequest::File& file : request.code) classes.add_from_code(file.text);
  for (const GraphRequest::File& file : request.code) classes.add_methods_from_code(file.text);
  classes.define();
  for (const GraphRequest::File& file : request.code) operators.add_from_code(file.text);
}

/// Imports; an operator that turns out unknown gets a stub, and the import starts again.
std::unique_ptr<Program> import_program(const GraphRequest& request, const ClassStubs& classes,
                                        OperatorStubs& stubs) {
  constexpr int kMaxAttempts = 100;
  for (int attempt = 0;; ++attempt) {
    try {
      return std::make_unique<Program>(request, classes);
    } catch (const std::exception& error) {
      if (attempt == kMaxAttempts || !stubs.add_from_message(error.what())) throw;
    }
  }
}

}  // namespace

void prepare_libtorch() { at::set_num_threads(1); }

GraphReply lower_program(const GraphRequest& request) {
  GraphReply reply;
  reply.libtorch = TORCH_VERSION;
  ClassStubs classes;
  OperatorStubs stubs(classes);
  std::string method_name;
  try {
    accept_version(request.version);
    add_stubs(request, classes, stubs);
    const std::unique_ptr<Program> program = import_program(request, classes, stubs);
    for (const std::string& name : stubs.missing_in_torch()) {
      reply.refusals.push_back(
          {"", "it has no operator " + name + "; the program is of a newer torch, or damaged"});
    }
    std::uint64_t nodes_left = request.max_nodes;
    for (jit::GraphFunction* method : program->methods()) {
      method_name = method->name();
      try {
        method->ensure_defined();
        reply.graphs.push_back(flatten_method(*method, program->tables(), nodes_left));
      } catch (const std::exception& error) {
        reply.refusals.push_back({method_name, reason_of(error)});
      }
    }
  } catch (const std::exception& error) {
    reply.refusals.push_back({"", reason_of(error)});
  } catch (...) {
    reply.refusals.push_back({method_name, "LibTorch failed without a reason"});
  }
  return reply;
}

}  // namespace torchvet
