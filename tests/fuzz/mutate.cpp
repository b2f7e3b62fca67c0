// Damages files in memory and lets torchvet look at each damaged copy, many thousands a minute:
// a process for each would be a hundred times slower. Every file given is
//
//   cut at every length up to 4 KiB and at 200 places beyond, and
//   changed at random places, 2,000 times (the seed and the file's name decide where).
//
// A copy that crashes, breaks a promise of the model or takes more than two seconds of processor
// time ends the run with the name of the file and the mutation; `mutate FILE --only MUTATION`
// repeats exactly that one, `--write PATH` keeps the damaged copy.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "damage.h"
#include "examine.h"
#include "watchdog.h"

namespace {

using namespace torchvet;

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t changes = 2000;
  std::uint64_t cuts = 4096;     // every length up to this
  std::uint64_t far_cuts = 200;  // places beyond
  std::string only;
  std::string write;
  std::vector<std::string> files;
};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// "cut:120" or "change:17" of a file.
std::string apply(const std::string& whole, const std::string& name, const Options& options,
                  const std::string& mutation) {
  const std::uint64_t number =
      std::strtoull(mutation.c_str() + mutation.find(':') + 1, nullptr, 10);
  if (mutation.starts_with("cut:"))
    return whole.substr(0, std::min<std::size_t>(number, whole.size()));
  return changed(whole, hash_of(name) ^ (options.seed << 32), number);
}

std::vector<std::string> mutations_of(const std::string& whole, const std::string& name,
                                      const Options& options) {
  if (!options.only.empty()) return {options.only};
  std::vector<std::string> result;
  const std::uint64_t near = std::min<std::uint64_t>(whole.size(), options.cuts);
  for (std::uint64_t size = 0; size < near; ++size) result.push_back("cut:" + std::to_string(size));
  if (whole.size() > options.cuts) {
    Random random(hash_of(name) ^ options.seed);
    for (std::uint64_t i = 0; i < options.far_cuts; ++i) {
      const std::uint64_t size = options.cuts + random.below(whole.size() - options.cuts);
      result.push_back("cut:" + std::to_string(size));
    }
  }
  if (!whole.empty()) {
    for (std::uint64_t i = 0; i < options.changes; ++i) {
      result.push_back("change:" + std::to_string(i));
    }
  }
  return result;
}

bool parse(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (!argument.starts_with("--")) {
      options.files.push_back(argument);
      continue;
    }
    if (++i == count) return false;
    const std::uint64_t number = std::strtoull(arguments[i], nullptr, 10);
    if (argument == "--seed")
      options.seed = number;
    else if (argument == "--changes")
      options.changes = number;
    else if (argument == "--cuts")
      options.cuts = number;
    else if (argument == "--far-cuts")
      options.far_cuts = number;
    else if (argument == "--only")
      options.only = arguments[i];
    else if (argument == "--write")
      options.write = arguments[i];
    else
      return false;
  }
  return !options.files.empty();
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    std::fprintf(
        stderr,
        "usage: mutate [--seed N] [--changes N] [--cuts N] [--far-cuts N] [--only MUTATION] "
        "[--write PATH] FILE...\n");
    return 2;
  }
  start_watchdog();
  std::uint64_t copies = 0, with_faults = 0, with_gaps = 0, findings = 0;
  for (const std::string& path : options.files) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 2;
    }
    const std::string whole((std::istreambuf_iterator<char>(stream)), {});
    const std::string name = base_name(path);
    for (const std::string& mutation : mutations_of(whole, name, options)) {
      begin_copy(path + " --only " + mutation + " --seed " + std::to_string(options.seed));
      std::string bytes = apply(whole, name, options, mutation);
      if (!options.write.empty()) std::ofstream(options.write, std::ios::binary) << bytes;
      const Examined result = examine(path, std::move(bytes));
      ++copies;
      with_faults += result.faults != 0;
      with_gaps += result.gaps != 0;
      findings += result.findings;
    }
  }
  std::printf("%llu damaged copies of %zu files: %llu with faults, %llu with gaps, %llu findings\n",
              static_cast<unsigned long long>(copies), options.files.size(),
              static_cast<unsigned long long>(with_faults),
              static_cast<unsigned long long>(with_gaps),
              static_cast<unsigned long long>(findings));
  return 0;
}
