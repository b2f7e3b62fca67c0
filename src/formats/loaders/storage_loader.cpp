#include "formats/loaders/storage_loader.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchvet {
namespace {

/// "cuda", "cuda:0", "cuda:12".
bool is_device(std::string_view location, std::string_view type) {
  if (!location.starts_with(type)) return false;
  location.remove_prefix(type.size());
  if (location.empty()) return true;
  return location.size() >= 2 && location.size() <= 4 && location.front() == ':' &&
         std::all_of(location.begin() + 1, location.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<LoadOutcome> refusal_of_location(std::string_view location) {
  if (location == "cpu" || location == "meta") return std::nullopt;
  struct Backend {
    std::string_view type, name;
  };
  for (const Backend& backend : {Backend{"cuda", "CUDA"}, {"xpu", "XPU"}, {"mtia", "MTIA"}}) {
    if (!is_device(location, backend.type)) continue;
    return LoadOutcome::fails(
        "RuntimeError",
        fmt::format(
            "Attempting to deserialize object on a {} device but torch.{}.is_available() is "
            "False.",
            backend.name, backend.type),
        LoadProblem::kDevice);
  }
  for (const Backend& backend : {Backend{"hpu", "HPU"}, {"privateuseone", "PRIVATEUSEONE"}}) {
    if (!is_device(location, backend.type)) continue;
    return LoadOutcome::fails("RuntimeError",
                              fmt::format("The {} device module is not registered.", backend.name),
                              LoadProblem::kDevice);
  }
  if (is_device(location, "mps")) {
    return LoadOutcome::fails("RuntimeError",
                              "torch.UntypedStorage(): Storage device not recognized: mps",
                              LoadProblem::kDevice);
  }
  for (const std::string_view type :
       {"cuda", "xpu", "mtia", "hpu", "privateuseone", "mps", "meta"}) {
    if (location.starts_with(type)) {
      return LoadOutcome::undecided("a storage has a location that is no plain device");
    }
  }
  return LoadOutcome::fails(
      "RuntimeError",
      fmt::format("don't know how to restore data location of torch.storage.UntypedStorage (tagged "
                  "with {})",
                  location),
      LoadProblem::kContainer);
}

}  // namespace torchvet
