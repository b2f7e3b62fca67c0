// What LibTorch's loaders do with a file. Used by loaders.py.
//
// Reads questions, one line of JSON each, ["torch::load", "/path"], and writes for each null where
// the file opens, else the exception and what it says: ["c10::Error", "..."]. Each is answered by a
// child process: a file that kills it, or holds it for a minute, is ["death of the process", ""].
//
// The loaders:
//   torch::jit::load       the archive as a module
//   torch::load            the archive into a std::vector<torch::Tensor>, of which any archive holds
//                          some number, be it 0
//   torch::load(Tensor)    the archive into one tensor
//   torch::pickle_load     the bytes of the file
#include <sys/wait.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/serialize.h>
#include <unistd.h>

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

using Json = nlohmann::json;

namespace {

constexpr unsigned kSeconds = 60;

std::vector<char> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void load(const std::string& loader, const std::string& path) {
  if (loader == "torch::jit::load") {
    torch::jit::load(path);
  } else if (loader == "torch::load") {
    std::vector<torch::Tensor> tensors;
    torch::load(tensors, path);
  } else if (loader == "torch::load(Tensor)") {
    torch::Tensor tensor;
    torch::load(tensor, path);
  } else if (loader == "torch::pickle_load") {
    torch::pickle_load(bytes_of(path));
  } else {
    std::fprintf(stderr, "no such loader: %s\n", loader.c_str());
    std::abort();
  }
}

std::string class_of(const std::exception& problem) {
  int status = 0;
  char* name = abi::__cxa_demangle(typeid(problem).name(), nullptr, nullptr, &status);
  const std::string readable = status == 0 ? name : typeid(problem).name();
  std::free(name);
  return readable;
}

Json answer_to(const Json& question) {
  try {
    load(question.at(0).get<std::string>(), question.at(1).get<std::string>());
  } catch (const c10::Error& problem) {
    return {class_of(problem), problem.what_without_backtrace()};
  } catch (const std::exception& problem) {
    return {class_of(problem), problem.what()};
  }
  return nullptr;
}

/// What the child process for one question writes.
std::string answer_of_child(const std::string& line) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child < 0) std::abort();
  if (child == 0) {
    ::close(pipe_ends[0]);
    ::alarm(kSeconds);
    std::string answer =
        answer_to(Json::parse(line)).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const char* at = answer.data();
    for (std::size_t left = answer.size(); left > 0;) {
      const ssize_t put = ::write(pipe_ends[1], at, left);
      if (put <= 0) break;
      at += put;
      left -= static_cast<std::size_t>(put);
    }
    ::_exit(0);
  }
  ::close(pipe_ends[1]);
  std::string answer;
  char part[4096];
  for (ssize_t got; (got = ::read(pipe_ends[0], part, sizeof part)) > 0;) {
    answer.append(part, static_cast<std::size_t>(got));
  }
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return answer.ends_with('\n') ? answer : "[\"death of the process\", \"\"]\n";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer_of_child(line) << std::flush;
  }
}
