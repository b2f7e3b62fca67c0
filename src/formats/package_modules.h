#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// The modules that the importer of a package of torch.package finds: those whose sources are in the
/// package, and those of its list of what is imported from outside.
class PackageModules {
 public:
  /// One that is imported from outside, with all that is in it: "torch", "numpy.core".
  void add_extern(std::string name) { externs_.push_back(std::move(name)); }
  /// A member by its name in the package: "net/layers.py", "net/model.pkl". The text must stay alive.
  void add_member(std::string_view name);
  /// Call once, when all are added and before anything is asked.
  void sort();

  /// The first module from outside in whose folder a member lies, which the importer refuses.
  [[nodiscard]] std::optional<std::string> extern_with_members() const;
  /// Why the importer does not find `name` of `module`; nothing when it may be there.
  [[nodiscard]] std::optional<std::string> why_missing(std::string_view module,
                                                       std::string_view name) const;

 private:
  enum class Place { kNowhere, kInside, kOutside };
  Place place_of(std::string_view module) const;

  std::vector<std::string> externs_;
  std::vector<std::string_view> members_;
};

}  // namespace torchvet
