// Python hashes a tuple by hashing its elements, each time anew, and by recursion. A tuple of a
// tuple taken twice, forty levels deep, is 100 bytes of pickle and 2^40 steps as soon as it is the
// key of a dict; one of 100,000 levels overflows the stack.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports pickles that are small and cost much: a key of a dict or an element of a set that is a tuple of tuples
of tuples, so that its hash takes more than 1e9 steps or more than 10,000 levels of recursion; a `bytearray` of a
number of bytes from 1 GiB; a PUT under a number from 16 million that the pickle's length does not explain; a
program or pickle that inflates to more than 200 times its size and 64 MiB.

## Why it matters
Loading hangs, takes all memory or ends the process, also with `weights_only=True`: tuples, dicts and
`bytearray` are allowed there. No writer makes such a pickle.

## Example
```
t = (1,)
for _ in range(40): t = (t, t)
pickle.dumps({t: None})          # cannot even be made: written by hand
```

## What to do
Do not load the file.

## Limits
A pickle that is merely long is not reported. What a called function would do with its arguments is PKL001's
matter.

## References
Measured with torch 2.13: the tuple of 40 levels hangs `torch.load(weights_only=True)`, one of 200,000 levels in
a row ends it with a segmentation fault, `bytearray(20 << 30)` asks for 20 GiB. A PUT under 2,147,483,647 asks
for 32 GiB with `weights_only=False`: CPython's table of stored values is an array.
)md";

constexpr std::uint64_t kMostSteps = 1'000'000'000;
constexpr std::uint64_t kMostLevels = 10'000;

struct Cost {
  std::uint64_t steps = 1;
  std::uint64_t levels = 0;
};

/// What hashing each tuple costs, by object. A tuple is made after its elements, so one pass in the
/// order of the objects knows them all; steps stop counting at the bound.
std::vector<Cost> tuple_costs(const ObjectTree& tree) {
  std::vector<Cost> costs(tree.size());
  for (ObjectId id = 0; id < tree.size(); ++id) {
    const Object::Tuple* tuple = tree.as<Object::Tuple>(id);
    if (!tuple) continue;
    Cost& cost = costs[id];
    cost.levels = 1;
    for (const ObjectId item : tuple->items) {
      if (item >= id) continue;
      cost.steps = std::min(kMostSteps + 1, cost.steps + costs[item].steps);
      cost.levels = std::max(cost.levels, costs[item].levels + 1);
    }
  }
  return costs;
}

/// Objects that a dict or set hashes, and that are tuples. Each once.
std::vector<ObjectId> hashed_tuples(const ObjectTree& tree) {
  std::vector<ObjectId> keys;
  std::unordered_set<ObjectId> known;
  const auto add = [&](ObjectId id) {
    if (tree.as<Object::Tuple>(id) && known.insert(id).second) keys.push_back(id);
  };
  for (ObjectId id = 0; id < tree.size(); ++id) {
    if (const auto* dict = tree.as<Object::Dict>(id)) {
      for (const auto& [key, value] : dict->items) add(key);
    } else if (const auto* call = tree.as<Object::Call>(id)) {
      for (const auto& [key, value] : call->items()) add(key);
    } else if (const auto* set = tree.as<Object::Set>(id)) {
      for (const ObjectId item : set->items) add(item);
    }
  }
  return keys;
}

const PickleProgram* pickle_at(const Artifact& artifact, std::uint64_t offset) {
  for (const PickleProgram& pickle : artifact.pickles) {
    if (offset >= pickle.where.offset && offset - pickle.where.offset <= pickle.where.length) {
      return &pickle;
    }
  }
  return nullptr;
}

Finding at(const Artifact& artifact, const ByteRange& where, std::string message,
           std::string proof) {
  Finding finding;
  if (const PickleProgram* pickle = pickle_at(artifact, where.offset)) {
    finding.where.member = pickle->name;
  }
  finding.where.bytes = where;
  finding.message = std::move(message);
  finding.evidence.push_back({"pickle", std::move(proof)});
  return finding;
}

void find_costly_keys(const Artifact& artifact, std::vector<Finding>& findings) {
  const ObjectTree& tree = artifact.objects;
  const std::vector<ObjectId> keys = hashed_tuples(tree);
  const bool nested = std::any_of(keys.begin(), keys.end(), [&](ObjectId key) {
    const std::vector<ObjectId>& items = tree.as<Object::Tuple>(key)->items;
    return std::any_of(items.begin(), items.end(),
                       [&](ObjectId item) { return tree.as<Object::Tuple>(item) != nullptr; });
  });
  if (!nested) return;
  const std::vector<Cost> costs = tuple_costs(tree);
  for (const ObjectId key : keys) {
    const Cost& cost = costs[key];
    if (cost.steps <= kMostSteps && cost.levels <= kMostLevels) continue;
    const bool deep = cost.levels > kMostLevels;
    findings.push_back(at(
        artifact, tree.at(key).where,
        deep ? "hashing a key of the pickle ends the process"
             : "hashing a key of the pickle takes for ever",
        deep ? fmt::format("the key is a tuple in a tuple, {} levels deep", cost.levels)
             : fmt::format("the key is a tuple of {} levels, with more than {} elements when it is "
                           "spelled out",
                           cost.levels, kMostSteps)));
    return;  // one is enough to know
  }
}

void find_allocations(const Artifact& artifact, std::vector<Finding>& findings) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 30;
  const ObjectTree& tree = artifact.objects;
  for (const PickleProgram& pickle : artifact.pickles) {
    for (const PickleProgram::Call& call : pickle.calls) {
      const Object::Global* callable = tree.as<Object::Global>(call.callable);
      if (!callable || callable->module != "builtins" ||
          (callable->name != "bytearray" && callable->name != "bytes")) {
        continue;
      }
      const Object::Call* made = tree.as<Object::Call>(call.object);
      const std::vector<ObjectId>* arguments = made ? tree.sequence(made->arguments) : nullptr;
      if (!arguments || arguments->size() != 1) continue;
      const std::int64_t size = tree.integer(arguments->front()).value_or(0);
      const bool huge = tree.as<Object::BigInt>(arguments->front()) != nullptr;
      if (size < kLarge && !huge) continue;
      findings.push_back(at(artifact, call.where,
                            "the pickle asks for more memory than a model needs",
                            fmt::format("it calls builtins.{}({})", callable->name,
                                        tree.render(arguments->front()))));
    }
  }
}

void find_far_puts(const Artifact& artifact, std::vector<Finding>& findings) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 24;
  for (const PickleProgram& pickle : artifact.pickles) {
    if (pickle.highest_put < kFar || pickle.highest_put <= pickle.opcodes) continue;
    findings.push_back(at(artifact, pickle.where,
                          "the pickle asks for more memory than a model needs",
                          fmt::format("it stores a value under the number {}, and has {} opcodes",
                                      pickle.highest_put, pickle.opcodes)));
    findings.back().why =
        "the table of stored values takes 16 bytes for each number up to it, but "
        "for weights_only=True";
  }
}

void find_inflation(const Artifact& artifact, std::vector<Finding>& findings) {
  constexpr std::uint64_t kLarge = std::uint64_t{64} << 20;
  constexpr std::uint64_t kTimes = 200;
  for (const Member& member : artifact.members) {
    const bool program = member.name.ends_with(".pkl") || member.name.ends_with(".py") ||
                         member.name.ends_with(".debug_pkl") || member.name.ends_with(".json");
    if (!program || member.method == 0 || member.size < kLarge) continue;
    if (member.size / kTimes <= member.data.length) continue;
    Finding& finding = findings.emplace_back();
    finding.where.member = member.name;
    finding.where.bytes = member.data;
    finding.message = fmt::format("`{}` inflates out of all proportion", member.name);
    finding.evidence.push_back(
        {"bytes", fmt::format("its {} bytes inflate to {}", member.data.length, member.size)});
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  find_costly_keys(artifact, findings);
  find_allocations(artifact, findings);
  find_far_puts(artifact, findings);
  find_inflation(artifact, findings);
  return findings;
}

}  // namespace

extern constexpr Rule PKL008 = define_rule({
    .code = "PKL008",
    .name = "resource-attack",
    .summary = "a small pickle that takes time or memory out of all proportion",
    .why = "loading it hangs, takes all memory or ends the process, also with weights_only=True",
    .help = "do not load the file",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
