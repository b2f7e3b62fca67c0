#include "formats/loaders/allowed_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchvet {
namespace {

using enum AllowedKind;

// clang-format off
#define NAME(kind, name, since_major, since_minor, until_major, until_minor) \
  AllowedName{kind, name, {since_major, since_minor}, {until_major, until_minor}},
constexpr AllowedName kNames[] = {
#include "formats/loaders/allowed_names.def"
};
#undef NAME
// clang-format on
static_assert(std::is_sorted(std::begin(kNames), std::end(kNames),
                             [](const AllowedName& a, const AllowedName& b) {
                               return a.name < b.name;
                             }));

// Source: IMPORT_MAPPING and NAME_MAPPING of torch._utils. An empty name: every name of the module.
struct Renamed {
  std::string_view old_module, old_name, module, name;
};
constexpr Renamed kRenamed[] = {
    {"__builtin__", "xrange", "builtins", "range"},
    {"__builtin__", "reduce", "functools", "reduce"},
    {"__builtin__", "intern", "sys", "intern"},
    {"__builtin__", "unichr", "builtins", "chr"},
    {"__builtin__", "unicode", "builtins", "str"},
    {"__builtin__", "long", "builtins", "int"},
    {"__builtin__", "basestring", "builtins", "str"},
    {"__builtin__", "", "builtins", ""},
    {"UserDict", "IterableUserDict", "collections", "UserDict"},
    {"UserDict", "", "collections", ""},
    {"UserList", "", "collections", ""},
    {"UserString", "", "collections", ""},
    {"exceptions", "StandardError", "builtins", "Exception"},
    {"itertools", "izip", "builtins", "zip"},
    {"itertools", "imap", "builtins", "map"},
    {"itertools", "ifilter", "builtins", "filter"},
    {"itertools", "ifilterfalse", "itertools", "filterfalse"},
    {"itertools", "izip_longest", "itertools", "zip_longest"},
    {"copy_reg", "", "copyreg", ""},
    {"Queue", "", "queue", ""},
    {"repr", "", "reprlib", ""},
    {"_abcoll", "", "collections.abc", ""},
    {"whichdb", "", "dbm", ""},
    {"StringIO", "", "io", ""},
    {"cStringIO", "", "io", ""},
};

constexpr TorchRelease kNestedAllowedUntil = {2, 15};

constexpr std::array<std::string_view, 2> kNested = {
    "torch.nested._internal.nested_tensor.NestedTensor",
    "torch.nested._internal.nested_tensor._rebuild_njt"};

constexpr std::array<std::string_view, 2> kMeshLayouts = {
    "torch.distributed._mesh_layout._FlatLayout", "torch.distributed._mesh_layout._MeshLayout"};

constexpr std::array<std::string_view, 7> kDistributed = {
    "torch.distributed.device_mesh.DeviceMesh",
    "torch.distributed.tensor._dtensor_spec.DTensorSpec",
    "torch.distributed.tensor._dtensor_spec.TensorMeta",
    "torch.distributed.tensor.DTensor",
    "torch.distributed.tensor.placement_types.Partial",
    "torch.distributed.tensor.placement_types.Replicate",
    "torch.distributed.tensor.placement_types.Shard"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Modules of which no name can be allowed.
bool is_blocked_module(std::string_view module) {
  constexpr std::array<std::string_view, 4> kBlocked = {"sys", "os", "posix", "nt"};
  return has(kBlocked, module);
}

/// Whether `import torch` itself adds the name to what users allowed.
bool is_allowed_by_import(std::string_view full_name, TorchRelease release) {
  return (release < kNestedAllowedUntil && has(kNested, full_name)) || has(kMeshLayouts, full_name);
}

}  // namespace

PythonName name_for_torch(std::string_view module, std::string_view name) {
  for (const Renamed& row : kRenamed) {
    if (row.old_module != module || (!row.old_name.empty() && row.old_name != name)) continue;
    return {row.module, row.name.empty() ? name : row.name};
  }
  return {module, name};
}

std::span<const AllowedName> allowed_names() { return kNames; }

const AllowedName* find_allowed(std::string_view full_name, TorchRelease release) {
  const AllowedName* end = std::end(kNames);
  const AllowedName* found = std::lower_bound(
      std::begin(kNames), end, full_name,
      [](const AllowedName& row, std::string_view name) { return row.name < name; });
  if (found == end || found->name != full_name || release < found->since) return nullptr;
  const bool gone = found->until != TorchRelease{} && release >= found->until;
  return gone ? nullptr : found;
}

std::optional<LoadOutcome> refusal_of_global(std::string_view module, std::string_view name,
                                             TorchRelease release) {
  const auto refused = [](LoadProblem problem, std::string_view message) {
    return LoadOutcome::fails("UnpicklingError", message, problem);
  };
  std::string full = fmt::format("{}.{}", module, name);
  if (is_blocked_module(module)) {
    return refused(LoadProblem::kBlockedName,
                   fmt::format("Trying to load unsupported GLOBAL {} whose module {} is blocked.",
                               full, module));
  }
  if (find_allowed(full, release) != nullptr || is_allowed_by_import(full, release)) return {};
  if (release < kNestedAllowedUntil && full == "torch._dynamo.decorators._DimRange") {
    return refused(LoadProblem::kNested,
                   "``torch.nested`` and ``torch._dynamo`` must be imported to load nested jagged "
                   "tensors (NJTs)");
  }
  if (has(kDistributed, full)) {
    return refused(LoadProblem::kDistributed,
                   "``torch.distributed.tensor`` must be imported to load DTensors");
  }
  constexpr std::string_view kBuiltins = "builtins.";
  if (full.starts_with(kBuiltins)) full.erase(0, kBuiltins.size());
  return refused(LoadProblem::kName,
                 fmt::format("Unsupported global: GLOBAL {} was not an allowed global by default. "
                             "Please use `torch.serialization.add_safe_globals([{}])`",
                             full, full));
}

bool allows_all_names(const Artifact& artifact, TorchRelease release) {
  const auto refused = [&](const PickleProgram::Import& import) {
    return import.computed || refusal_of_global(import.module, import.name, release);
  };
  return std::none_of(
      artifact.pickles.begin(), artifact.pickles.end(), [&](const PickleProgram& pickle) {
        return std::any_of(pickle.imports.begin(), pickle.imports.end(), refused);
      });
}

}  // namespace torchvet
