// A TorchScript archive: the pickle data.pkl builds the root module, `code/` holds the text of
// every class and method, `constants.pkl` the tensors that the code calls CONSTANTS.cN, and beside
// each code file a `.debug_pkl` leads back to the author's Python. A traced program also keeps its
// example inputs, without their bytes. Before 1.2 all but the code lay in model.json: such an
// archive is recognised, no more, since LibTorch does not load it any longer.
//
// An archive for the lite interpreter of phones (`.ptl`) is one of these with a `bytecode.pkl`: the
// program again, as instructions, a table of operators, and constants among which are tensors of
// `constants/`. That interpreter reads nothing of `code/`. Whether the instructions say what `code/`
// says is not looked at, and is a gap; what the pickle names and calls is.
//
// Read here: everything but the graphs. The text of `code/` is kept for the worker, which parses
// it. No byte of a weight is touched.
#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/archive.h"
#include "formats/debug_pkl.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/torchscript_classes.h"
#include "formats/torchscript_modules.h"
#include "formats/zip.h"
#include "formats/zip_storages.h"

namespace torchvet {
namespace {

class ScriptReader {
 public:
  ScriptReader(ByteView file, const ZipDirectory& zip, const ReadOptions& options,
               Artifact& artifact)
      : file_(file), zip_(zip), options_(options), artifact_(artifact) {}

  void run() {
    artifact_.kind = Kind::kTorchScript;
    artifact_.script.emplace();
    script().version = version();
    if (!find_member(zip_, "constants.pkl") && find_member(zip_, "model.json")) {
      artifact_.add_gap("program",
                        "torch before 1.2 wrote it, as model.json, which LibTorch of today "
                        "does not load either");
      return;
    }
    script().traced = find_member(zip_, "traced_inputs.pkl").has_value();
    read_byte_order();
    const ScriptClasses classes = read_code();
    const ObjectId root = read_pickle("data.pkl", "data");
    if (root != kNoObject) {
      script().root_class = root_class(root);
      find_script_modules(artifact_, root, classes, options_.limits);
      name_tensors(artifact_, root, "", options_.limits);
      mark_rest(0, TensorRole::kAttribute);
    }
    std::size_t before = artifact_.tensors.size();
    read_constants();
    mark_rest(before, TensorRole::kConstant);
    before = artifact_.tensors.size();
    if (script().traced) {
      const ObjectId inputs = read_pickle("traced_inputs.pkl", "traced_inputs");
      if (inputs != kNoObject) name_tensors(artifact_, inputs, "traced_inputs", options_.limits);
      mark_rest(before, TensorRole::kExampleInput);
    }
    script().has_training_flags =
        std::any_of(artifact_.modules.begin(), artifact_.modules.end(),
                    [](const Module& module) { return module.training.has_value(); });
    if (holds_bytecode()) read_bytecode();
  }

 private:
  ScriptInfo& script() { return *artifact_.script; }

  [[nodiscard]] bool holds_bytecode() const {
    return find_member(zip_, kBytecodeMember).has_value();
  }

  void read_bytecode() {
    artifact_.add_gap(zip_.prefix + std::string(kBytecodeMember),
                      script().code.empty()
                          ? "the program is there as bytecode alone, whose instructions are not looked at"
                          : "its instructions, which the lite interpreter runs in place of code/, are "
                            "not looked at");
    const std::size_t before = artifact_.tensors.size();
    const ObjectId root = read_pickle(kBytecodeMember, "constants");
    if (root != kNoObject) name_tensors(artifact_, root, "bytecode", options_.limits);
    mark_rest(before, TensorRole::kConstant);
    // Places in the author's Python, for the errors of that interpreter.
    for (const std::string_view places : {"mobile_debug_handles.pkl", "callstack_debug_map.pkl"}) {
      if (find_member(zip_, places)) read_pickle(places, "constants");
    }
  }

  /// The contents of a member; on a failure a fault, and nothing.
  std::optional<ByteView> contents(MemberId id, std::string& buffer) {
    Result<ByteView> bytes = member_bytes(file_, zip_.members[id], options_.limits, buffer);
    if (bytes) return *bytes;
    artifact_.add_fault(zip_.members[id].name, bytes.error());
    return std::nullopt;
  }

  std::string small_member(std::string_view name) {
    const std::optional<MemberId> id = find_member(zip_, name);
    std::string buffer;
    const std::optional<ByteView> bytes = id ? contents(*id, buffer) : std::nullopt;
    return bytes ? std::string(bytes->text().substr(0, 64)) : std::string();
  }

  /// Since 6 it lies in a hidden folder, so that older versions of torch do not find it.
  std::int64_t version() {
    const bool hidden = find_member(zip_, ".data/version").has_value();
    const std::string text = small_member(hidden ? ".data/version" : "version");
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && number > 0 && number < 1'000'000) return number;
    artifact_.add_gap("version", "the archive does not say its version");
    return 0;
  }

  void read_byte_order() {
    const std::string order = small_member("byteorder");
    big_endian_ = order == "big";
    if (order.empty() || order == "little" || order == "big") return;
    // Its loader does not look either: the numbers are read as they lie.
    artifact_.add_contradiction(zip_.prefix + "byteorder",
                                {ErrorCode::kByteOrderUnknown, 0,
                                 "the byte order is \"" + order + "\", neither little nor big"});
  }

  /// Fills `script.code` and returns the classes of all files by qualified name.
  ScriptClasses read_code() {
    ScriptClasses classes;
    const std::string folder = zip_.prefix + "code/";
    std::uint64_t bytes_left = options_.limits.code_bytes;
    for (MemberId id = 0; id < zip_.members.size(); ++id) {
      const Member& member = zip_.members[id];
      if (!member.name.starts_with(folder) || !member.name.ends_with(".py")) continue;
      if (member.size > bytes_left) {
        artifact_.add_gap(
            "code", "it takes more than " + std::to_string(options_.limits.code_bytes) + " bytes");
        script().code.clear();
        return {};
      }
      bytes_left -= member.size;
      std::string buffer;
      const std::optional<ByteView> text = contents(id, buffer);
      if (!text) continue;
      CodeFile code;
      code.name = member.name.substr(folder.size());
      code.text = std::string(text->text());
      if (options_.graphs) code.map = read_map(code.name);
      add_script_classes(code.name, code.text, classes);
      script().code.push_back(std::move(code));
    }
    if (script().code.empty() && !holds_bytecode()) {
      artifact_.add_gap("code", "the archive holds none");
    }
    return classes;
  }

  SourceMap read_map(const std::string& code_name) {
    const std::optional<MemberId> id = find_member(zip_, "code/" + code_name + ".debug_pkl");
    std::string buffer;
    const std::optional<ByteView> bytes = id ? contents(*id, buffer) : std::nullopt;
    if (!bytes) return {};
    Result<SourceMap> map = read_source_map(*bytes, options_.limits);
    if (map) return std::move(*map);
    artifact_.add_fault(zip_.members[*id].name, map.error());
    return {};
  }

  /// Runs one pickle and resolves its tensors. kNoObject when it is missing or broken.
  ObjectId read_pickle(std::string_view name, std::string_view folder) {
    const std::optional<MemberId> id = find_member(zip_, name);
    if (!id) {
      artifact_.add_fault(
          "", {ErrorCode::kZipMemberMissing, 0, "the archive has no member " + std::string(name)});
      return kNoObject;
    }
    std::string buffer;
    const std::optional<ByteView> bytes = contents(*id, buffer);
    if (!bytes) return kNoObject;
    PickleProgram program;
    program.name = zip_.members[*id].name;
    program.member = id;
    const ObjectId first = static_cast<ObjectId>(artifact_.objects.size());
    Result<void> run = run_pickle(*bytes, options_.limits, artifact_.objects, program);
    if (run) {
      program.trailing_bytes = bytes->size() - std::min(bytes->size(), program.where.length);
    } else {
      artifact_.add_fault(program.name, run.error());
    }
    const ObjectId root = program.root;
    open_typed_lists(first);
    ZipStorages storages(file_, zip_,
                         {folder, program.name, big_endian_, folder == "traced_inputs"}, artifact_);
    artifact_.pickles.push_back(std::move(program));
    resolve_torch_objects(
        artifact_, first, id,
        [&storages](const StorageRequest& request) { return storages.resolve(request); },
        options_.limits);
    return run ? root : kNoObject;
  }

  /// TorchScript writes a list as `build_intlist([1, 2])` and a dict as `restore_type_tag({...},
  /// "Dict[str, int]")`: only to keep its type. The call becomes the value, once for each value so
  /// that nothing is copied.
  void open_typed_lists(ObjectId first) {
    ObjectTree& tree = artifact_.objects;
    std::vector<bool> moved(tree.size() - first, false);
    for (ObjectId id = first; id < tree.size(); ++id) {
      const Object::Call* call = tree.as<Object::Call>(id);
      if (!call || call->state != kNoObject || !call->appended().empty() ||
          !call->items().empty() ||
          !tree.qualified_name(call->callable).starts_with("torch.jit._pickle.")) {
        continue;
      }
      const Object::Tuple* arguments = tree.as<Object::Tuple>(call->arguments);
      if (!arguments || arguments->items.empty()) continue;
      const ObjectId value = arguments->items[0];
      if (value < first || value >= tree.size() || value == id || moved[value - first]) continue;
      if (!tree.as<Object::List>(value) && !tree.as<Object::Dict>(value)) continue;
      moved[value - first] = true;
      tree.at(id).value = std::exchange(tree.at(value).value, Object::None{});
    }
  }

  std::string root_class(ObjectId root) const {
    const Object::Call* call = artifact_.objects.as<Object::Call>(root);
    return call ? artifact_.objects.qualified_name(call->callable) : std::string();
  }

  void read_constants() {
    const ObjectId root = read_pickle("constants.pkl", "constants");
    const std::vector<ObjectId>* items = artifact_.objects.sequence(root);
    if (!items) return;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const ObjectId item = (*items)[i];
      if (const auto* reference = artifact_.objects.as<Object::TensorRef>(item)) {
        Tensor& tensor = artifact_.tensors[reference->tensor];
        tensor.role = TensorRole::kConstant;
        if (tensor.object_path.empty()) tensor.object_path = "CONSTANTS.c" + std::to_string(i);
        artifact_.graph_constants.push_back(reference->tensor);
        script().constants.emplace_back();
      } else {
        // An object, such as the packed weights of a quantized layer, with tensors inside.
        name_tensors(artifact_, item, "CONSTANTS.c" + std::to_string(i), options_.limits);
        const std::string type = root_class(item);
        script().constants.push_back(type.empty() ? "unknown" : type);
      }
    }
  }

  /// Tensors that no module registers: in lists, packed weights, example inputs.
  void mark_rest(std::size_t first, TensorRole role) {
    for (std::size_t i = first; i < artifact_.tensors.size(); ++i) {
      if (artifact_.tensors[i].role == TensorRole::kOther) artifact_.tensors[i].role = role;
    }
  }

  ByteView file_;
  const ZipDirectory& zip_;
  const ReadOptions& options_;
  Artifact& artifact_;
  bool big_endian_ = false;
};

}  // namespace

void read_torchscript(const std::shared_ptr<Source>& source, const ReadOptions& options,
                      Artifact& artifact) {
  const std::optional<ZipDirectory> zip = open_archive(*source, options, artifact);
  if (!zip) return;
  ScriptReader(source->bytes(), *zip, options, artifact).run();
}

}  // namespace torchvet
