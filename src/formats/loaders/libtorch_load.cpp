// The two loaders of LibTorch that read what others save. torch::load reads modules of TorchScript
// by the names of their attributes: any archive of that sort opens, and into what is the program's
// business. torch::pickle_load reads the pickle of an archive by an unpickler of its own.
#include "formats/loaders/libtorch_load.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "formats/loaders/archive_route.h"
#include "formats/loaders/libtorch_unpickler.h"
#include "formats/loaders/script_load.h"

namespace torchvet {
namespace {

/// As C++ throws it: what the reader of archives says is no RuntimeError there.
LoadOutcome in_cpp(LoadOutcome outcome) {
  constexpr std::string_view kRuntime = "RuntimeError: ", kMissing = "NotImplementedError: ";
  if (outcome.opens == false && outcome.text.starts_with(kRuntime)) {
    outcome.text.replace(0, kRuntime.size(), "c10::Error: ");
  } else if (outcome.opens == false && outcome.text.starts_with(kMissing)) {
    outcome.text.insert(0, "c10::");
  }
  return outcome;
}

}  // namespace

LoadOutcome load_libtorch(const Source& source, const Artifact& artifact, const Limits& limits) {
  LoadOutcome outcome = in_cpp(load_script(source, artifact, limits));
  if (outcome.opens != true) return outcome;
  return LoadOutcome::undecided("it depends on what the program is loaded into");
}

LoadOutcome load_libtorch_pickle(const Source& source, const Limits& limits) {
  const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (const auto* ended = std::get_if<LoadOutcome>(&opened)) return in_cpp(*ended);
  const ZipDirectory& zip = std::get<OpenedArchive>(opened).zip;
  const std::optional<MemberId> pickle = find_member(zip, "data.pkl");
  if (!pickle) return in_cpp(record_missing("data.pkl"));
  std::string buffer;
  const Result<ByteView> bytes =
      member_bytes(source.bytes(), zip.members[*pickle], limits, buffer);
  if (!bytes) return LoadOutcome::undecided("data.pkl cannot be read");
  std::map<MemberId, bool> readable;  // a pickle may name one deflated record a million times
  const auto refusal_of_record = [&](std::string_view key) -> std::optional<LoadOutcome> {
    const std::string name = fmt::format("data/{}", key);
    const std::optional<MemberId> record = find_member(zip, name);
    if (!record) return in_cpp(record_missing(name));
    const auto [known, is_new] = readable.emplace(*record, false);
    if (is_new) {
      std::string inflated;
      known->second =
          member_bytes(source.bytes(), zip.members[*record], limits, inflated).has_value();
    }
    if (known->second) return std::nullopt;
    return LoadOutcome::undecided("the record of a storage cannot be read");
  };
  return LibtorchUnpickler(*bytes, limits, refusal_of_record).run();
}

}  // namespace torchvet
