#include <algorithm>
#include <string>
#include <utility>

#include "formats/archive.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/torch_records.h"
#include "formats/zip.h"
#include "formats/zip_layout.h"
#include "formats/zip_storages.h"

// What torch.save has written since 1.6: a zip whose member `data.pkl` builds the object, and whose
// members `data/KEY` hold the bytes of the storages. Reading it touches the zip's directory, the
// pickle and two small text members, and no storage.
namespace torchvet {
namespace {

/// With `load.calculate_storage_offsets` and mmap torch looks up the first storage only and
/// computes where the others are, in the order of their first use. Reports the first that is
/// elsewhere.
void check_computed_offsets(ByteView file, const ZipDirectory& zip, const Limits& limits,
                            Artifact& artifact) {
  if (!find_member(zip, ".format_version")) return;  // torch does not compute then
  const std::optional<std::uint64_t> alignment = storage_alignment(file, zip, limits);
  std::optional<std::uint64_t> header;
  for (const Storage& storage : artifact.storages) {
    if (!alignment || !storage.member || !storage.present) return;
    const Member& member = zip.members[*storage.member];
    if (member.method != 0 || member.size != storage.declared_bytes) return;  // wrong in itself
    const std::optional<std::uint64_t> data =
        header ? torch_data_offset(*header, member.name.size(), storage.declared_bytes, *alignment)
               : member.data.offset;
    if (!data) return;
    if (*data != member.data.offset) {
      artifact.add_contradiction(
          member.name, {ErrorCode::kZipOffsetsMoved, member.data.offset,
                        "torch can compute that its data begin at byte " + std::to_string(*data) +
                            "; they begin at byte " + std::to_string(member.data.offset)});
      return;
    }
    header =
        torch_next_header(header.value_or(member.header_offset), *data, storage.declared_bytes);
    if (!header) return;
  }
}

}  // namespace

void read_torch_zip(const std::shared_ptr<Source>& source, const ReadOptions& options,
                    Artifact& artifact) {
  const ByteView file = source->bytes();
  const std::optional<ZipDirectory> zip = open_archive(*source, options, artifact);
  if (!zip) return;
  check_records(file, *zip, options.limits, artifact);
  if (find_member(*zip, kBytecodeMember)) {
    // The lite interpreter needs no constants.pkl; torch.load takes the file for one of torch.save.
    artifact.add_gap(zip->prefix + std::string(kBytecodeMember),
                     "a program for the lite interpreter, of which nothing is looked at here");
  }
  const Result<bool> big_endian = is_big_endian(file, *zip, options.limits);
  if (!big_endian) artifact.add_fault(zip->prefix + "byteorder", big_endian.error());

  const std::optional<MemberId> pickle = find_member(*zip, "data.pkl");
  if (!pickle) {
    artifact.add_fault("", {ErrorCode::kZipMemberMissing, 0, "the archive has no member data.pkl"});
    return;
  }
  const std::string& name = zip->members[*pickle].name;
  std::string buffer;
  Result<ByteView> bytes = member_bytes(file, zip->members[*pickle], options.limits, buffer);
  if (!bytes) {
    artifact.add_fault(name, bytes.error());
    return;
  }

  PickleProgram program;
  program.name = name;
  program.member = pickle;
  Result<void> run = run_pickle(*bytes, options.limits, artifact.objects, program);
  if (run) {
    program.trailing_bytes = bytes->size() - std::min(bytes->size(), program.where.length);
  } else {
    artifact.add_fault(name, run.error());
  }
  const ObjectId root = program.root;
  artifact.pickles.push_back(std::move(program));

  ZipStorages storages(file, *zip, {"data", name, big_endian.value_or(false), false}, artifact);
  resolve_torch_objects(
      artifact, 0, pickle,
      [&storages](const StorageRequest& request) { return storages.resolve(request); },
      options.limits);
  check_computed_offsets(file, *zip, options.limits, artifact);
  if (run) describe_torch_pickle(artifact, root, options.limits);
}

}  // namespace torchvet
