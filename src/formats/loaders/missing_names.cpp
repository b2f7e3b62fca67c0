#include "formats/loaders/missing_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "formats/fault_list.h"
#include "formats/loaders/allowed_names.h"
#include "formats/loaders/libtorch_names.h"
#include "model/object.h"

namespace torchvet {
namespace {

/// Of those beyond ASCII it is not asked which may stand in an identifier.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

/// An identifier of Python.
bool is_identifier(std::string_view word) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto may_stand = [&](char c) { return c == '_' || digit(c) || is_letter(c); };
  return !word.empty() && !digit(word.front()) && std::all_of(word.begin(), word.end(), may_stand);
}

/// "Outer.Inner": names of attributes, or of modules in modules.
bool is_path(std::string_view path) {
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    if (!is_identifier(path.substr(0, dot))) return false;
    path.remove_prefix(dot + 1);
  }
  return is_identifier(path);
}

/// Whether a letter was changed, put in or left out. Other digits or underscores do not count: `_v4` is
/// what a newer torch may have, `_UntypedStorage` what an older one had.
bool is_one_letter_off(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  if (a.size() > b.size() + 1) return false;
  const auto at = static_cast<std::size_t>(
      std::mismatch(b.begin(), b.end(), a.begin()).first - b.begin());
  const std::string_view rest = a.size() == b.size() ? b.substr(std::min(at + 1, b.size()))
                                                     : b.substr(at);
  const bool letter = a != b && (is_letter(a[at]) || (a.size() == b.size() && is_letter(b[at])));
  return letter && a.substr(at + 1) == rest;
}

/// Whether two letters of the name are wrong, or of the module, and the other is as it is allowed.
bool is_two_letters_off(std::string_view module, std::string_view name, std::string_view allowed) {
  constexpr std::size_t kLongest = 100;
  const std::size_t dot = allowed.rfind('.');
  const std::string_view its_module = allowed.substr(0, dot), its_name = allowed.substr(dot + 1);
  if (module.size() > kLongest || name.size() > kLongest) return false;
  return (module == its_module && letters_off(name, its_name) == 2) ||
         (name == its_name && letters_off(module, its_module) == 2);
}

/// Shorter names of torch are near others that are there: torch.int and torch.int8, torch.tensor and
/// torch.Tensor. Of the 50,000 names in the modules of torch 2.13 no longer one is near an allowed one.
constexpr std::size_t kLongEnough = std::string_view("torch.tensor").size() + 1;
/// Nor is one within two letters of those as long as this.
constexpr std::size_t kLongForTwo = std::string_view("torch.FloatStorage").size();

/// The pickles of a TorchScript archive without which it does not load.
bool is_read_with_program(std::string_view member) {
  const std::string_view leaf = member.substr(member.rfind('/') + 1);
  return leaf == "data.pkl" || leaf == "constants.pkl" || leaf == "attributes.pkl";
}

}  // namespace

int letters_off(std::string_view a, std::string_view b) {
  constexpr int kMany = 3;
  const auto gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap >= kMany) return kMany;
  const auto cost = [](char c) { return is_letter(c) ? 1 : kMany; };
  std::vector<int> row(b.size() + 1, 0);
  for (std::size_t j = 0; j < b.size(); ++j) row[j + 1] = std::min(kMany, row[j] + cost(b[j]));
  for (const char from : a) {
    int diagonal = row[0];
    row[0] = std::min(kMany, row[0] + cost(from));
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int changed = from == b[j] ? 0 : std::max(cost(from), cost(b[j]));
      const int here = std::min({diagonal + changed, row[j + 1] + cost(from), row[j] + cost(b[j])});
      diagonal = std::exchange(row[j + 1], std::min(kMany, here));
    }
  }
  return row.back();
}

std::optional<std::string> why_missing(std::string_view module, std::string_view name) {
  if (!is_path(module)) return fmt::format("no module is called `{}`", module);
  if (!is_path(name)) return fmt::format("`{}` has nothing that is called `{}`", module, name);
  const std::string full = fmt::format("{}.{}", module, name);
  if (full.size() < kLongEnough || find_allowed(full, kKnownUnpicklers.back()) != nullptr) return {};
  for (const AllowedName& allowed : allowed_names()) {
    if (allowed.name == full) return {};  // of an older release
    const bool near = (allowed.name.size() >= kLongEnough && is_one_letter_off(full, allowed.name)) ||
                      (allowed.name.size() >= kLongForTwo &&
                       is_two_letters_off(module, name, allowed.name));
    if (near) {
      return fmt::format("torch has no `{}`, it has `{}`", full, allowed.name);
    }
  }
  return {};
}

std::optional<std::string> why_missing_in_script(std::string_view module, std::string_view name) {
  if (module == "__torch__" || module.starts_with("__torch__.")) return {};
  // Storages, quantization schemes and devices are judged where they are read.
  if (module == "torch" || module == "__main__" || module == "torch.distributed.rpc") return {};
  if (libtorch_function(module, name)) return {};
  return fmt::format("torch.jit.load has nothing that is called `{}.{}`", module, name);
}

void check_imports_of(const PickleProgram& pickle, const WhyMissing& why_missing,
                      Artifact& artifact) {
  FaultList faults(artifact, pickle.name);
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const PickleProgram::Import& import : pickle.imports) {
    if (import.computed || import.module == kExtensionModule) continue;
    if (!seen.emplace(import.module, import.name).second) continue;
    if (std::optional<std::string> why = why_missing(import.module, import.name)) {
      faults.add_contradiction(ErrorCode::kPickleBadName, import.where.offset, std::move(*why));
    }
  }
}

void check_imported_names(Artifact& artifact) {
  const bool script = artifact.format == Format::kTorchScript;
  for (const PickleProgram& pickle : artifact.pickles) {
    if (script && !is_read_with_program(pickle.name)) continue;
    check_imports_of(pickle, script ? why_missing_in_script : why_missing, artifact);
  }
}

}  // namespace torchvet
