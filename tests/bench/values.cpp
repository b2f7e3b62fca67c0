// bench_values FILE MODE THREADS REPEATS: reads the weights of a file again and again and prints,
// as one line of JSON, the seconds that each time took and the peak of memory beside the mapped
// file.
//
//   read          XOR of all bytes: what the machine can do at most
//   numbers       counts, extremes, sum and sum of squares
//   fingerprints  the same and the test for untouched values
//   histogram     numbers and the histogram
//   digest        the digest alone
//
// Every time the file is opened and mapped anew, as for a user; its pages are in the page cache.
#include "values/values.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "formats/read.h"
#include "io/source.h"

using namespace torchvet;

namespace {

constexpr std::uint64_t kPiece = 256ull * 1024;

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
std::uint64_t
xor_of(const std::uint8_t* bytes, std::uint64_t size) {
  std::uint64_t lanes[32] = {};
  for (std::uint64_t at = 0; at + sizeof(lanes) <= size; at += sizeof(lanes)) {
    std::uint64_t words[32];
    std::memcpy(words, bytes + at, sizeof(words));
    for (int i = 0; i < 32; ++i) lanes[i] ^= words[i];
  }
  std::uint64_t all = 0;
  for (const std::uint64_t lane : lanes) all ^= lane;
  return all;
}

/// Each thread takes every n-th piece, as the value pass does.
std::uint64_t read_all(const Artifact& artifact, unsigned threads) {
  std::vector<std::uint64_t> found(threads, 0);
  std::vector<std::thread> helpers;
  for (unsigned t = 0; t < threads; ++t) {
    helpers.emplace_back([&, t] {
      for (const Storage& storage : artifact.storages) {
        for (std::uint64_t at = t * kPiece; at < storage.bytes.size(); at += threads * kPiece) {
          found[t] ^=
              xor_of(storage.bytes.data() + at, std::min(kPiece, storage.bytes.size() - at));
        }
      }
    });
  }
  for (std::thread& helper : helpers) helper.join();
  std::uint64_t all = 0;
  for (const std::uint64_t one : found) all ^= one;
  return all;
}

Quantities quantities_of(const std::string& mode) {
  if (mode == "numbers") return kMoments | kSums;
  if (mode == "fingerprints") return kMoments | kSums | kFingerprint;
  if (mode == "histogram") return kMoments | kSums | kHistogram;
  return mode == "digest" ? Quantities{kDigest} : 0;
}

/// The most that was resident, mapped file included. Not ru_maxrss, which knows the process that
/// called exec as well.
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string mode = argv[2];
  const unsigned threads = static_cast<unsigned>(std::atoi(argv[3]));
  nlohmann::json seconds = nlohmann::json::array();
  std::uint64_t bytes = 0, check = 0, file = 0;
  for (int turn = 0; turn < std::atoi(argv[4]); ++turn) {
    const Result<std::shared_ptr<Source>> source = Source::open(argv[1]);
    if (!source) return 2;
    Artifact artifact = read_artifact(*source, {});
    file = (*source)->bytes().size();
    bytes = 0;
    for (const Storage& storage : artifact.storages) bytes += storage.bytes.size();
    ValuePlan plan;
    for (TensorId id = 0; id < artifact.tensors.size(); ++id) {
      plan.items.push_back({id, quantities_of(mode)});
    }
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    if (mode == "read") {
      check ^= read_all(artifact, threads);
    } else {
      compute_values(artifact, plan, {}, threads);
      for (const Tensor& tensor : artifact.tensors) {
        if (!tensor.values) return 2;
      }
    }
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  const double peak = peak_mib();
  const nlohmann::json line = {{"seconds", seconds},
                               {"bytes", bytes},
                               {"check", check},
                               {"own_mib", peak - static_cast<double>(file) / (1 << 20)}};
  std::puts(line.dump().c_str());
  return 0;
}
