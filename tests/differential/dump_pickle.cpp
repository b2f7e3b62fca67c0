// Reads a file of pickles, each behind its length (u32, little-endian), and prints what the machine
// made of each as one line of JSON. Used by pickle_machine_test.py.
//
//   {"objects": [["int", "5"], ["list", [0, 0]], ...], "root": 1, "imports": ["os.system"],
//    "calls": [["os.system", 0]], "opcodes": 7, "length": 12}      or      {"error": "truncated",
//    ...}

#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "formats/pickle/machine.h"

using namespace torchvet;
using Json = nlohmann::json;

namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

Json dump(const Object& object) {
  if (object.as<Object::None>()) return {"none"};
  if (const bool* flag = object.as<bool>()) return {"bool", *flag};
  if (const auto* integer = object.as<std::int64_t>()) {
    return {"int", std::to_string(*integer)};
  }
  if (const auto* big = object.as<Object::BigInt>()) return {"int", big->decimal};
  if (const auto* number = object.as<double>()) {
    return {"float", hex({reinterpret_cast<const char*>(number), sizeof(double)})};
  }
  if (const auto* text = object.as<std::string>()) return {"str", hex(*text)};
  if (const auto* bytes = object.as<Object::Bytes>()) {
    return {bytes->is_array ? "bytearray" : "bytes", hex(bytes->data)};
  }
  if (const auto* list = object.as<Object::List>()) return {"list", list->items};
  if (const auto* tuple = object.as<Object::Tuple>()) return {"tuple", tuple->items};
  if (const auto* set = object.as<Object::Set>()) {
    return {set->frozen ? "frozenset" : "set", set->items};
  }
  if (const auto* dict = object.as<Object::Dict>()) return {"dict", dict->items};
  if (const auto* global = object.as<Object::Global>()) {
    return {"global", hex(global->module), hex(global->name)};
  }
  if (const auto* call = object.as<Object::Call>()) {
    return {"call",
            static_cast<int>(call->how),
            call->callable,
            call->arguments,
            call->keyword_arguments(),
            call->state,
            call->appended(),
            call->items()};
  }
  if (const auto* persistent = object.as<Object::Persistent>()) {
    return {"persistent", persistent->id};
  }
  return {"other"};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string data{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Cursor cursor(ByteView(reinterpret_cast<const std::uint8_t*>(data.data()), data.size(), 0));
  while (!cursor.at_end()) {
    const Result<std::uint32_t> length = cursor.read<std::uint32_t>();
    const Result<ByteView> bytes = length ? cursor.take(*length) : tl::unexpected(length.error());
    if (!bytes) return 2;
    ObjectTree tree;
    PickleProgram program;
    const Result<void> done = run_pickle(*bytes, Limits{}, tree, program);
    Json line;
    if (!done) {
      line["error"] = std::string(name_of(done.error().code));
      line["offset"] = done.error().offset - bytes->offset();
    } else {
      line["root"] = program.root;
    }
    line["length"] = program.where.length;
    line["opcodes"] = program.opcodes;
    line["objects"] = Json::array();
    for (std::size_t id = 0; id < tree.size(); ++id) {
      line["objects"].push_back(dump(tree.at(static_cast<ObjectId>(id))));
    }
    line["imports"] = Json::array();
    for (const PickleProgram::Import& import : program.imports) {
      line["imports"].push_back(
          {hex(import.module), hex(import.name), import.where.offset - bytes->offset()});
    }
    line["calls"] = Json::array();
    for (const PickleProgram::Call& call : program.calls) {
      line["calls"].push_back({hex(tree.qualified_name(call.callable)), static_cast<int>(call.how),
                               call.where.offset - bytes->offset()});
    }
    std::puts(line.dump().c_str());
  }
  return 0;
}
