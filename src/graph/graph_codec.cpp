#include "graph/graph_codec.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "graph/graph_words.h"

namespace torchvet {
namespace {

using Json = nlohmann::json;

/// Nesting of a message: a map of lists of maps. nlohmann's CBOR reader recurses once a level, so
/// the depth is checked with its streaming interface before a document is built.
constexpr int kMaxDepth = 4;

struct DepthGuard : nlohmann::json_sax<Json> {
  int depth = 0;
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth <= kMaxDepth; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth, true; }
  bool start_array(std::size_t) override { return ++depth <= kMaxDepth; }
  bool end_array() override { return --depth, true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }
};

std::string to_bytes(const Json& message) {
  std::string bytes;
  Json::to_cbor(message, bytes);
  return bytes;
}

/// A document, or a discarded value when the bytes are no sane CBOR map.
Json parse(std::string_view bytes) {
  DepthGuard guard;
  if (!Json::sax_parse(bytes.begin(), bytes.end(), &guard, Json::input_format_t::cbor)) {
    return Json(Json::value_t::discarded);
  }
  Json message = Json::from_cbor(bytes.begin(), bytes.end(), true, false);
  return message.is_object() ? message : Json(Json::value_t::discarded);
}

/// The member of a map when it is there and of type `T`, else nothing.
template <typename T>
const T* member(const Json& map, const char* key) {
  if (!map.is_object()) return nullptr;
  const auto at = map.find(key);
  return at == map.end() ? nullptr : at->get_ptr<const T*>();
}

std::string text_of(const Json& map, const char* key) {
  const Json::string_t* text = member<Json::string_t>(map, key);
  return text ? *text : std::string();
}

std::uint64_t number_of(const Json& map, const char* key) {
  const Json::number_unsigned_t* number = member<Json::number_unsigned_t>(map, key);
  return number ? *number : 0;
}

const Json::array_t& list_of(const Json& map, const char* key) {
  static const Json::array_t none;
  const Json::array_t* list = member<Json::array_t>(map, key);
  return list ? *list : none;
}

std::vector<std::string> texts_of(const Json& map, const char* key) {
  std::vector<std::string> texts;
  for (const Json& item : list_of(map, key)) {
    const Json::string_t* text = item.get_ptr<const Json::string_t*>();
    texts.push_back(text ? *text : std::string());
  }
  return texts;
}

tl::unexpected<Error> bad(std::string why) {
  return fail(ErrorCode::kWorkerBadReply, 0, std::move(why));
}

Result<GraphReply> reply_from(const Json& message, std::size_t files, std::size_t constants,
                              const Limits& limits) {
  GraphReply reply;
  reply.libtorch = text_of(message, "libtorch");
  if (reply.libtorch.empty()) return bad("the reply names no LibTorch");
  for (const Json& item : list_of(message, "refusals")) {
    reply.refusals.push_back({text_of(item, "method"), text_of(item, "reason")});
  }
  const std::vector<std::string> texts = texts_of(message, "texts");
  std::uint64_t nodes = limits.graph_nodes;
  for (const Json& item : list_of(message, "graphs")) {
    const Json::binary_t* words = member<Json::binary_t>(item, "words");
    if (!words) return bad("a graph in the reply has no body");
    const std::string_view body(reinterpret_cast<const char*>(words->data()), words->size());
    Result<LoweredGraph> graph = graph_from_words(body, texts, {files, constants, nodes});
    if (!graph) return tl::unexpected<Error>(graph.error());
    nodes -= graph->graph.nodes.size();
    graph->graph.method = text_of(item, "method");
    reply.graphs.push_back(std::move(*graph));
  }
  return reply;
}

}  // namespace

std::string encode_request(const GraphRequest& request) {
  Json code = Json::array();
  for (const GraphRequest::File& file : request.code) {
    code.push_back({{"name", file.name}, {"text", file.text}});
  }
  Json modules = Json::array();
  for (const GraphRequest::Module& module : request.modules) {
    modules.push_back({{"path", module.path}, {"class", module.class_name}});
  }
  return to_bytes(
      {{"code", std::move(code)},
       {"modules", std::move(modules)},
       {"root", request.root_class},
       {"version", static_cast<std::uint64_t>(std::max<std::int64_t>(request.version, 0))},
       {"constants", request.constants},
       {"max_nodes", request.max_nodes},
       {"cpu_seconds", request.cpu_seconds}});
}

Result<GraphRequest> decode_request(std::string_view bytes) {
  try {
    const Json message = parse(bytes);
    if (message.is_discarded()) return bad("the request is no CBOR map");
    GraphRequest request;
    for (const Json& item : list_of(message, "code")) {
      request.code.push_back({text_of(item, "name"), text_of(item, "text")});
    }
    for (const Json& item : list_of(message, "modules")) {
      request.modules.push_back({text_of(item, "path"), text_of(item, "class")});
    }
    request.root_class = text_of(message, "root");
    request.version = static_cast<std::int64_t>(number_of(message, "version"));
    request.constants = texts_of(message, "constants");
    request.max_nodes = number_of(message, "max_nodes");
    request.cpu_seconds = number_of(message, "cpu_seconds");
    return request;
  } catch (const std::exception& error) {
    return bad(error.what());
  }
}

std::string encode_reply(const GraphReply& reply) {
  TextTable table;
  Json graphs = Json::array();
  for (const LoweredGraph& graph : reply.graphs) {
    const std::string words = graph_to_words(graph, table);
    graphs.push_back(
        {{"method", graph.graph.method}, {"words", Json::binary({words.begin(), words.end()})}});
  }
  Json refusals = Json::array();
  for (const Refusal& refusal : reply.refusals) {
    refusals.push_back({{"method", refusal.method}, {"reason", refusal.reason}});
  }
  return to_bytes({{"libtorch", reply.libtorch},
                   {"graphs", std::move(graphs)},
                   {"refusals", std::move(refusals)},
                   {"texts", table.texts()}});
}

Result<GraphReply> decode_reply(std::string_view bytes, std::size_t files, std::size_t constants,
                                const Limits& limits) {
  // nlohmann throws on some lengths even when asked not to.
  try {
    const Json message = parse(bytes);
    if (message.is_discarded()) return bad("the reply is no CBOR map");
    return reply_from(message, files, constants, limits);
  } catch (const std::exception& error) {
    return bad(error.what());
  }
}

}  // namespace torchvet
