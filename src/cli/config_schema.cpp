#include <nlohmann/json.hpp>

#include "cli/config_keys.h"
#include "core/limits.h"
#include "rules/registry.h"

namespace torchvet {
namespace {

using Json = nlohmann::ordered_json;

Json object_schema(const std::vector<ConfigKey>& keys);

Json codes() {
  Json out = Json::array();
  for (const Rule* rule : all_rules()) out.push_back(rule->code);
  return out;
}

Json value_schema(const ConfigKey& key) {
  const Json word = {{"$ref", "#/$defs/rules"}};
  switch (key.type) {
    case ConfigType::kAnyText:
      return {{"type", "string"}};
    case ConfigType::kText:
      return {{"$ref", "#/$defs/text"}};
    case ConfigType::kOne:
      return {{"const", 1}};
    case ConfigType::kOption: {
      const OptionRow& row = *row_of_flag(key.flag);
      if (row.choices.empty()) return {{"$ref", "#/$defs/text"}};
      return {{"enum", row.choices}};
    }
    case ConfigType::kTorch:
      return {{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)+$"}};
    case ConfigType::kDate:
      return {{"type", "string"}, {"format", "date"}, {"pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}};
    case ConfigType::kSha256:
      return {{"type", "string"}, {"pattern", "^[0-9a-f]{64}$"}};
    case ConfigType::kRule:
      return {{"enum", codes()}};
    case ConfigType::kRules:
      return {{"type", "array"}, {"items", word}};
    case ConfigType::kSeverities:
      return {{"type", "object"},
              {"propertyNames", word},
              {"additionalProperties", {{"enum", {"note", "warning", "error"}}}}};
    case ConfigType::kLimits: {
      Json limits = Json::object();
      for (const LimitName& limit : limit_names()) {
        limits[std::string(limit.name)] = {{"type", "integer"}, {"minimum", 0}};
      }
      return {{"type", "object"}, {"properties", limits}, {"additionalProperties", false}};
    }
    case ConfigType::kRuleOptions:
      return {{"type", "object"},
              {"propertyNames", {{"enum", codes()}}},
              {"additionalProperties", {{"type", "object"}, {"additionalProperties", false}}}};
    case ConfigType::kEntries:
      return {{"type", "array"}, {"items", object_schema(key.fields)}};
  }
  return {};
}

Json object_schema(const std::vector<ConfigKey>& keys) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const ConfigKey& key : keys) {
    Json& property = properties[std::string(key.name)];
    property["description"] = key.help.empty() ? row_of_flag(key.flag)->help : key.help;
    property.update(value_schema(key));
    if (key.required) required.push_back(key.name);
  }
  Json out = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) out["required"] = required;
  return out;
}

}  // namespace

std::string config_schema() {
  Json out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "torchvet.json: configuration of torchvet"}};
  out.update(object_schema(config_keys()));
  out["$defs"] = {{"text", {{"type", "string"}, {"pattern", "[^ \\t\\n\\r\\f\\v]"}}},
                  {"rules", {{"enum", rule_words()}}}};
  return out.dump(2) + "\n";
}

}  // namespace torchvet
