#include "formats/loaders/libtorch_pickle.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "formats/loaders/archive_route.h"

namespace torchvet {
namespace {

struct Names {
  std::string_view cpp, python;
};
/// The first of a Python name is what the reader of archives throws.
constexpr Names kExceptions[] = {
    {"c10::Error", "RuntimeError"},
    {"torch::jit::ErrorReport", "RuntimeError"},
    {"c10::NotImplementedError", "NotImplementedError"},
    {"std::out_of_range", "IndexError"},
};

LoadOutcome renamed(LoadOutcome outcome, std::string_view Names::*from, std::string_view Names::*to) {
  if (outcome.opens != false) return outcome;
  const std::string_view name = std::string_view(outcome.text).substr(0, outcome.text.find(": "));
  for (const Names& names : kExceptions) {
    if (names.*from != name) continue;
    outcome.text.replace(0, name.size(), names.*to);
    break;
  }
  return outcome;
}

}  // namespace

LoadOutcome in_cpp(LoadOutcome outcome) {
  return renamed(std::move(outcome), &Names::python, &Names::cpp);
}

LoadOutcome in_python(LoadOutcome outcome) {
  return renamed(std::move(outcome), &Names::cpp, &Names::python);
}

LoadOutcome unpickle_as_libtorch(const Source& source, const ZipDirectory& zip,
                                 std::string_view name, const Limits& limits,
                                 LibtorchReading reading) {
  const std::string pickle_name = fmt::format("{}.pkl", name);
  const std::optional<MemberId> pickle = find_member(zip, pickle_name);
  if (!pickle) return record_missing(pickle_name);
  std::string buffer;
  const Result<ByteView> bytes =
      member_bytes(source.bytes(), zip.members[*pickle], limits, buffer);
  if (!bytes) return LoadOutcome::undecided(fmt::format("{} cannot be read", pickle_name));
  std::map<MemberId, bool> readable;  // a pickle may name one deflated record a million times
  reading.refusal_of_record = [&](std::string_view key) -> std::optional<LoadOutcome> {
    const std::string record_name = fmt::format("{}/{}", name, key);
    const std::optional<MemberId> record = find_member(zip, record_name);
    if (!record) return record_missing(record_name);
    const auto [known, is_new] = readable.emplace(*record, false);
    if (is_new) {
      std::string inflated;
      known->second =
          member_bytes(source.bytes(), zip.members[*record], limits, inflated).has_value();
    }
    if (known->second) return std::nullopt;
    return LoadOutcome::undecided("the record of a storage cannot be read");
  };
  LibtorchUnpickler unpickler(*bytes, limits, std::move(reading));
  LoadOutcome outcome = unpickler.run();
  if (outcome.opens == false) {
    outcome.where = {zip.members[*pickle].name, unpickler.offset(), unpickler.cause()};
  }
  return outcome;
}

}  // namespace torchvet
