#include "formats/deepspeed_ranks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "formats/fault_list.h"
#include "model/deepspeed.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kMostListed = 100;

struct Count {
  std::uint64_t ranks = 0;
  std::string key;
};

/// A number, or the largest of a list: groups of parameters may lie on different numbers of ranks.
std::uint64_t largest(const ObjectTree& tree, ObjectId id) {
  std::int64_t most = tree.integer(id).value_or(0);
  if (const std::vector<ObjectId>* list = tree.sequence(id)) {
    for (const ObjectId item : *list) most = std::max(most, tree.integer(item).value_or(0));
  }
  return static_cast<std::uint64_t>(std::max<std::int64_t>(most, 0));
}

Count count_of(const FileContents& models, const FileContents& optimizers,
               const ObjectTree& tree) {
  Count count;
  const auto take = [&](ObjectId id, const char* key) {
    const std::uint64_t ranks = largest(tree, id);
    if (ranks > count.ranks) count = {ranks, key};
  };
  for (const auto& [name, part] : optimizers) {
    take(tree.get(tree.get(part, "optimizer_state_dict"), "partition_count"), "partition_count");
  }
  if (count.ranks > 0) return count;
  for (const auto& [name, part] : models) take(tree.get(part, "dp_world_size"), "dp_world_size");
  return count;
}

}  // namespace

void check_deepspeed_ranks(const FileContents& models, const FileContents& optimizers,
                           Artifact& artifact) {
  std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>> families;
  std::set<std::string> with_model, with_optimizer;  // ranks of model parallelism
  bool pipeline = false;
  for (const Member& member : artifact.members) {
    const std::optional<DeepspeedFile> file = deepspeed_file(member.name);
    if (!file) continue;
    if (file->rank) families[{file->before, file->after}].insert(*file->rank);
    (file->holds_optimizer ? with_optimizer : with_model).insert(file->model_rank);
    pipeline = pipeline || file->model_rank.empty();
  }
  const Count count = count_of(models, optimizers, artifact.objects);
  FaultList faults(artifact, "");
  std::uint64_t missing = 0;
  for (const auto& [name, present] : families) {
    // A count from a file is bounded by what is there: beyond that, nobody reads on.
    const std::uint64_t end = std::min<std::uint64_t>(count.ranks, present.size() + kMostListed);
    for (std::uint64_t rank = 0; rank < end; ++rank) {
      if (present.contains(rank)) continue;
      ++missing;
      faults.add_contradiction(ErrorCode::kShardMissing, 0,
                               "the shard is missing: `" + name.first + std::to_string(rank) +
                                   name.second + "`; `" + count.key + "` is " +
                                   std::to_string(count.ranks));
    }
  }
  for (const std::string& rank : with_optimizer) {
    if (pipeline || with_model.contains(rank)) continue;
    ++missing;
    faults.add_contradiction(ErrorCode::kShardMissing, 0,
                             "the shard is missing: there is no `*mp_rank_" + rank +
                                 "_model_states.pt` beside the states of its optimizer");
  }
  if (missing > 0) {
    artifact.add_gap("files of ranks", std::to_string(missing) + " of them are not there");
  }
}

}  // namespace torchvet
