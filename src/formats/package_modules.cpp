// How torch.package.PackageImporter finds a module (`_load_module` in torch/package/package_importer.py):
// name by name from the left. A part that is listed as from outside ends the search, and Python imports
// the whole name; a part that is a folder of the package is entered; the last one may be a source or a
// folder. A few modules are always allowed. Unlike Python's own unpickler it takes the name in a module
// as one attribute, dots and all (`PackageUnpickler.find_class`).
#include "formats/package_modules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/loaders/missing_names.h"

namespace torchvet {
namespace {

constexpr std::array<std::string_view, 4> kAlwaysAllowed = {
    "builtins", "numpy", "numpy.core", "numpy.core._multiarray_umath"};

/// "a.b" as the folder "a/b/".
std::string folder_of(std::string_view module) {
  std::string path(module);
  std::replace(path.begin(), path.end(), '.', '/');
  return path + '/';
}

/// Whether one of the sorted texts begins with `prefix`.
template <typename Text>
bool any_begins(const std::vector<Text>& sorted, std::string_view prefix) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), prefix);
  return at != sorted.end() && std::string_view(*at).starts_with(prefix);
}

}  // namespace

void PackageModules::add_member(std::string_view name) {
  if (!name.starts_with(".data/")) members_.push_back(name);
}

void PackageModules::sort() {
  std::sort(externs_.begin(), externs_.end());
  std::sort(members_.begin(), members_.end());
}

std::optional<std::string> PackageModules::extern_with_members() const {
  const auto found =
      std::find_if(externs_.begin(), externs_.end(), [this](const std::string& module) {
        return any_begins(members_, folder_of(module));
      });
  return found == externs_.end() ? std::nullopt : std::optional(*found);
}

PackageModules::Place PackageModules::place_of(std::string_view module) const {
  const auto allowed = std::find(kAlwaysAllowed.begin(), kAlwaysAllowed.end(), module);
  if (allowed != kAlwaysAllowed.end()) return Place::kOutside;
  for (std::size_t dot = module.find('.');; dot = module.find('.', dot + 1)) {
    const std::string_view part = module.substr(0, dot);
    if (std::binary_search(externs_.begin(), externs_.end(), part)) return Place::kOutside;
    std::string path = folder_of(part);
    const bool is_folder =
        any_begins(members_, path) || any_begins(externs_, std::string(part) + '.');
    if (dot != std::string_view::npos && is_folder) continue;
    path.back() = '.';
    const bool is_source = std::binary_search(members_.begin(), members_.end(), path + "py");
    const bool is_last = dot == std::string_view::npos;
    return is_last && (is_folder || is_source) ? Place::kInside : Place::kNowhere;
  }
}

std::optional<std::string> PackageModules::why_missing(std::string_view module,
                                                       std::string_view name) const {
  const Place place = place_of(module);
  if (place == Place::kNowhere) {
    return fmt::format("the package has no module `{}`, and does not list it as one from outside",
                       module);
  }
  if (name.find('.') != std::string_view::npos) {
    return fmt::format("a package takes `{}` for one name, and `{}` has none of that", name, module);
  }
  return place == Place::kOutside ? torchvet::why_missing(module, name) : std::nullopt;
}

}  // namespace torchvet
