// What torch.package.PackageExporter writes: a zip that brings the Python code of a model along.
//
//   .data/extern_modules   modules that are imported from outside, one a line
//   .data/python_version
//   .data/KEY.storage      the bytes of the storages of all pickles, each once
//   .data/ts_code/N/...    TorchScript programs
//   net/model.pkl          pickles, texts and bytes under any name (save_pickle, save_text, ...)
//   net/layers.py          sources, which run when a pickle names something in them
//
// Nothing lists the pickles: `PackageImporter.load_pickle` is told a name. So every member outside
// of `.data` that begins as a pickle, and is no source, is one. A persistent id is that of a
// storage, or ('reduce_package', id, function, arguments): the importer calls the function.
//
// What the sources would do is not analysed. That is a gap, whatever else was read: a package is
// loaded by running them.
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/archive.h"
#include "formats/loaders/missing_names.h"
#include "formats/package_modules.h"
#include "formats/pickle/arguments.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/torch_records.h"
#include "formats/zip.h"
#include "formats/zip_storages.h"

namespace torchvet {
namespace {

constexpr std::string_view kData = ".data/";
constexpr std::string_view kScripts = ".data/ts_code/";

class PackageReader {
 public:
  PackageReader(ByteView file, const ZipDirectory& zip, const Limits& limits, Artifact& artifact)
      : file_(file),
        zip_(zip),
        limits_(limits),
        artifact_(artifact),
        tree_(artifact.objects),
        storages_(file, zip, {".data", zip.prefix + ".data", false, false, ".storage"}, artifact) {}

  void read();

 private:
  struct Pickle {
    std::string name;  ///< without the folder of the archive
    ObjectId root = kNoObject;
  };

  std::optional<std::string> note_record(std::string_view record);
  bool read_externs();
  void check_modules();
  void look_at(MemberId id);
  void read_pickle(MemberId id, ByteView bytes);
  void resolve_reduces(ObjectId first, PickleProgram& program);
  void explain_code();
  void describe();

  ByteView file_;
  const ZipDirectory& zip_;
  const Limits& limits_;
  Artifact& artifact_;
  ObjectTree& tree_;
  ZipStorages storages_;
  std::vector<Pickle> pickles_;
  std::vector<std::string> sources_;
  PackageModules modules_;
  bool has_scripts_ = false;
  std::uint64_t inflated_ = 0;  ///< bytes so far
  bool stopped_ = false;        ///< at a limit
};

/// A small record's text, which goes to what the file says about itself.
std::optional<std::string> PackageReader::note_record(std::string_view record) {
  const std::optional<MemberId> id = find_member(zip_, std::string(kData) + std::string(record));
  if (!id) return std::nullopt;
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file_, zip_.members[*id], limits_, buffer);
  if (!bytes) {
    artifact_.add_fault(zip_.members[*id].name, bytes.error());
    return std::nullopt;
  }
  constexpr std::size_t kMost = 4096;
  std::string text(bytes->text().substr(0, kMost));
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  artifact_.metadata.emplace_back(record, std::move(text));
  return std::string(bytes->text());
}

/// The importer reads the list before anything else, as text. False when it is not there to be read.
bool PackageReader::read_externs() {
  constexpr std::string_view kRecord = "extern_modules";
  const std::string name = zip_.prefix + std::string(kData) + std::string(kRecord);
  const bool is_there = find_member(zip_, std::string(kData) + std::string(kRecord)).has_value();
  const std::optional<std::string> text = note_record(kRecord);
  if (!is_there) {
    artifact_.add_contradiction(
        name, {ErrorCode::kArchiveRefused, 0, "the list of modules from outside is not there"});
  }
  if (!text) return false;
  if (!simdjson::validate_utf8(text->data(), text->size())) {
    artifact_.add_contradiction(
        name, {ErrorCode::kArchiveRefused, 0, "the list of modules from outside is no UTF-8"});
    return false;
  }
  for (std::size_t begin = 0; begin < text->size();) {
    const std::size_t end = std::min(text->find_first_of("\r\n", begin), text->size());
    if (end > begin) modules_.add_extern(text->substr(begin, end - begin));
    begin = end + 1;
  }
  return true;
}

void PackageReader::check_modules() {
  for (const Member& member : zip_.members) {
    if (!member.name.starts_with(zip_.prefix)) continue;
    modules_.add_member(std::string_view(member.name).substr(zip_.prefix.size()));
  }
  modules_.sort();
  if (const std::optional<std::string> module = modules_.extern_with_members()) {
    artifact_.add_contradiction(
        zip_.prefix + std::string(kData) + "extern_modules",
        {ErrorCode::kArchiveRefused, 0,
         "`" + *module + "` is listed as one from outside, and is a folder of the package"});
  }
  const auto why_missing = [this](std::string_view module, std::string_view name) {
    return modules_.why_missing(module, name);
  };
  for (const PickleProgram& pickle : artifact_.pickles) {
    check_imports_of(pickle, why_missing, artifact_);
  }
}

void PackageReader::look_at(MemberId id) {
  const Member& member = zip_.members[id];
  if (!member.name.starts_with(zip_.prefix) || member.name.ends_with('/')) return;
  const std::string_view name = std::string_view(member.name).substr(zip_.prefix.size());
  has_scripts_ = has_scripts_ || name.starts_with(kScripts);
  if (name.starts_with(kData)) return;
  if (name.ends_with(".py")) {
    sources_.emplace_back(name);
    return;
  }
  // The exporter compresses nothing. Of archives that another tool packed, all members together may
  // become no more than one may elsewhere.
  std::string buffer;
  Limits limits = limits_;
  limits.inflated_bytes -= std::min(limits.inflated_bytes, inflated_);
  const Result<ByteView> bytes = member_bytes(file_, member, limits, buffer);
  inflated_ += buffer.size();
  if (!bytes) {
    stopped_ = bytes.error().code == ErrorCode::kLimitExceeded;
    artifact_.add_fault(member.name, bytes.error());
    return;
  }
  constexpr std::uint8_t kProto = 0x80, kOldest = 2, kNewest = 5;
  const bool begins_as_pickle = bytes->size() > 1 && (*bytes)[0] == kProto &&
                                (*bytes)[1] >= kOldest && (*bytes)[1] <= kNewest;
  if (begins_as_pickle || name.ends_with(".pkl")) read_pickle(id, *bytes);
}

void PackageReader::read_pickle(MemberId id, ByteView bytes) {
  const std::string& name = zip_.members[id].name;
  if (tree_.size() >= limits_.pickle_objects) {
    stopped_ = true;
    artifact_.add_fault(name, {ErrorCode::kLimitExceeded, bytes.offset(),
                               "the pickles hold more objects than pickle-objects allows"});
    return;
  }
  PickleProgram program;
  program.name = name;
  program.member = id;
  const auto first = static_cast<ObjectId>(tree_.size());
  const Result<void> run = run_pickle(bytes, limits_, tree_, program);
  if (run) {
    program.trailing_bytes = bytes.size() - std::min(bytes.size(), program.where.length);
    pickles_.push_back({name.substr(zip_.prefix.size()), program.root});
  } else {
    artifact_.add_fault(name, run.error());
  }
  if (const Result<void> known = check_protocol(program); !known) {
    artifact_.add_fault(name, known.error());
  }
  resolve_reduces(first, program);
  artifact_.pickles.push_back(std::move(program));
  resolve_torch_objects(
      artifact_, first, id,
      [this](const StorageRequest& request) { return storages_.resolve(request); }, limits_);
}

/// ('reduce_package', id, function, arguments) is a call: `function(importer, *arguments)`. The id
/// is not there in packages of before 1.11.
void PackageReader::resolve_reduces(ObjectId first, PickleProgram& program) {
  const auto end = static_cast<ObjectId>(tree_.size());
  for (ObjectId id = first; id < end; ++id) {
    const Object::Persistent* persistent = tree_.as<Object::Persistent>(id);
    if (!persistent) continue;
    const auto fields = arguments_of(tree_, persistent->id);
    if (fields.size() < 3 || tree_.text(fields[0]) != "reduce_package") continue;
    Object::Call call;
    call.how = Object::How::kReduce;
    call.callable = fields[fields.size() - 2];
    call.arguments = fields.back();
    program.calls.push_back({call.callable, call.how, id, tree_.at(id).where});
    tree_.at(id).value = std::move(call);
  }
}

void PackageReader::explain_code() {
  if (!sources_.empty()) {
    constexpr std::size_t kShown = 3;
    std::string names;
    for (std::size_t i = 0; i < std::min(kShown, sources_.size()); ++i) {
      names += (i == 0 ? "" : ", ") + sources_[i];
    }
    if (sources_.size() > kShown) {
      names += " and " + std::to_string(sources_.size() - kShown) + " more";
    }
    artifact_.add_gap("Python sources",
                      "loading the package runs them, and they are not analysed: " + names);
  }
  if (has_scripts_) {
    artifact_.add_gap("TorchScript programs",
                      "a TorchScript program as a member of another archive is not read");
  }
}

/// One pickle is the artifact's object; several are, by their names.
void PackageReader::describe() {
  if (pickles_.size() == 1) {
    describe_torch_pickle(artifact_, pickles_.front().root, limits_);
    return;
  }
  Object::Dict all;
  for (Pickle& pickle : pickles_) {
    Object name;
    name.value = std::move(pickle.name);
    all.items.emplace_back(tree_.add(std::move(name)), pickle.root);
  }
  Object whole;
  whole.value = std::move(all);
  describe_torch_pickle(artifact_, tree_.add(std::move(whole)), limits_);
}

void PackageReader::read() {
  note_record("python_version");
  const bool has_externs = read_externs();
  for (MemberId id = 0; id < zip_.members.size() && !stopped_; ++id) look_at(id);
  if (has_externs) check_modules();
  describe();
  explain_code();
}

}  // namespace

void read_torch_package(const std::shared_ptr<Source>& source, const ReadOptions& options,
                        Artifact& artifact) {
  const ByteView file = source->bytes();
  const std::optional<ZipDirectory> zip = open_archive(*source, options, artifact);
  if (!zip) return;
  check_records(file, *zip, options.limits, artifact);
  PackageReader(file, *zip, options.limits, artifact).read();
}

}  // namespace torchvet
