// The client against programs that behave as a broken worker would: small shell scripts.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "graph/worker_client.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

/// An executable script that is removed again.
class Script {
 public:
  explicit Script(const std::string& body) {
    char path[] = "/tmp/torchvet-worker-XXXXXX";
    const int fd = ::mkstemp(path);
    ::close(fd);
    path_ = path;
    std::ofstream(path_) << "#!/bin/sh\n" << body << "\n";
    ::chmod(path_.c_str(), 0700);
  }
  ~Script() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Artifact program() {
  Artifact artifact;
  artifact.script.emplace();
  artifact.script->root_class = "__torch__.Net";
  artifact.script->version = 3;
  artifact.script->code.push_back({"__torch__.py", "class Net(Module):\n", {}});
  return artifact;
}

std::string gap_with(const std::string& worker, std::uint64_t seconds = 5) {
  Artifact artifact = program();
  Limits limits;
  limits.worker_seconds = seconds;
  GraphWorker(worker).read_graphs(artifact, limits);
  CHECK(artifact.graphs.empty());
  return artifact.gaps.size() == 1 ? artifact.gaps[0].why : "";
}

}  // namespace

TEST_CASE("A worker that is not there is a gap") {
  CHECK(gap_with("/nonexistent/torchvet-graph").find("not installed") != std::string::npos);
}

TEST_CASE("A worker that ends is a gap that says how") {
  CHECK(gap_with(Script("exit 7").path()).ends_with("ended with exit code 7"));
  CHECK(gap_with(Script("kill -SEGV $$").path()).find("signal 11") != std::string::npos);
  CHECK(gap_with(Script("head -c 20 >/dev/null; exit 3").path()).ends_with("exit code 3"));
}

TEST_CASE("A worker that hangs is given up after the limit") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(gap_with(Script("exec sleep 60").path(), 1).find("longer than 1 s") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("A worker that talks nonsense is a gap") {
  // A length of 5 and five bytes that are no CBOR map.
  const Script garbage(
      "head -c 8 >/dev/null; printf '\\005\\000\\000\\000\\000\\000\\000\\000abcde'");
  CHECK(gap_with(garbage.path()).find("no CBOR map") != std::string::npos);
  const Script huge("printf '\\377\\377\\377\\377\\377\\377\\377\\177'; sleep 5");
  CHECK(gap_with(huge.path()).find("more than the limit") != std::string::npos);
}

TEST_CASE("A worker that died is started again for the next file") {
  const Script dies("exit 7");
  GraphWorker worker(dies.path());
  worker.start_early();
  for (int i = 0; i < 2; ++i) {
    Artifact artifact = program();
    worker.read_graphs(artifact, {});
    REQUIRE(artifact.gaps.size() == 1);
    CHECK(artifact.gaps[0].why.ends_with("exit code 7"));
  }
}

TEST_CASE("An artifact without code needs no worker") {
  Artifact artifact;
  GraphWorker("/nonexistent/torchvet-graph").read_graphs(artifact, {});
  CHECK(artifact.gaps.empty());
}

}  // namespace torchvet
