#include "model/deepspeed.h"

#include <algorithm>
#include <charconv>

namespace torchvet {
namespace {

/// Takes words and numbers off the front of a name.
class Words {
 public:
  explicit Words(std::string_view name) : whole_(name), rest_(name) {}

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool digits(std::string_view& found) {
    constexpr std::size_t kMost = 9;
    const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (end == 0 || end > kMost) return false;
    found = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return true;
  }
  [[nodiscard]] std::string_view taken() const {
    return whole_.substr(0, whole_.size() - rest_.size());
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view whole_, rest_;
};

constexpr std::string_view kModel = "_model_states.pt", kOptimizer = "_optim_states.pt";

std::optional<DeepspeedFile> zero_file(std::string_view name) {
  Words words(name);
  std::string_view rank, model_rank;
  (void)(words.take("bf16_") || words.take("fp16_"));
  if (!words.take("zero_pp_rank_")) return std::nullopt;
  DeepspeedFile file;
  file.before = words.taken();
  if (!words.digits(rank)) return std::nullopt;
  file.after = words.rest();
  if (!words.take("_mp_rank_") || !words.digits(model_rank)) return std::nullopt;
  file.holds_optimizer = words.rest() == kOptimizer;
  if (!file.holds_optimizer && words.rest() != kModel) return std::nullopt;
  file.model_rank = model_rank;
  std::uint64_t number = 0;
  std::from_chars(rank.data(), rank.data() + rank.size(), number);
  file.rank = number;
  return file;
}

std::optional<DeepspeedFile> other_file(std::string_view name) {
  Words words(name);
  std::string_view number, model_rank;
  DeepspeedFile file;
  if (words.take("mp_rank_")) {
    if (!words.digits(model_rank) || words.rest() != kModel) return std::nullopt;
  } else if (words.take("expp_rank_")) {
    if (!words.digits(number) || !words.take("_mp_rank_") || !words.digits(model_rank) ||
        words.rest() != kOptimizer) {
      return std::nullopt;
    }
    file.holds_optimizer = true;
  } else if (words.take("layer_") && words.digits(number)) {
    const bool pipeline =
        words.take("-model_") && words.digits(number) && words.rest() == "-model_states.pt";
    const bool expert = !pipeline && words.take("_expert_") && words.digits(number) &&
                        words.take("_mp_rank_") && words.digits(model_rank) &&
                        words.rest() == kModel;
    if (!pipeline && !expert) return std::nullopt;
  } else {
    return std::nullopt;
  }
  file.model_rank = model_rank;
  return file;
}

}  // namespace

std::optional<DeepspeedFile> deepspeed_file(std::string_view name) {
  if (std::optional<DeepspeedFile> file = zero_file(name)) return file;
  return other_file(name);
}

}  // namespace torchvet
