#include "values/piece_pipeline.h"

#include <atomic>
#include <limits>

#include "values/values.h"

namespace torchvet {
namespace {

std::atomic<unsigned>& most() {
  static std::atomic<unsigned> threads = std::numeric_limits<unsigned>::max();
  return threads;
}

}  // namespace

void set_most_threads(unsigned threads) { most() = threads; }

unsigned most_threads() { return most(); }

}  // namespace torchvet
