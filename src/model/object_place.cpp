#include "model/object_place.h"

#include <utility>

namespace torchvet {
namespace {

std::string capped(std::string path) {
  if (path.size() > kMaxObjectPath) path.resize(kMaxObjectPath);
  return path;
}

}  // namespace

std::string joined_path(const std::string& path, std::string_view name) {
  std::string whole = path;
  if (!whole.empty()) whole += '.';
  whole += name.substr(0, kMaxObjectKey);
  return capped(std::move(whole));
}

ObjectPlace root_place(ObjectId id, std::string path) {
  ObjectPlace place;
  place.id = id;
  place.above = std::make_shared<const std::string>(std::move(path));
  return place;
}

std::string path_of(const ObjectTree& tree, const ObjectPlace& place) {
  if (place.depth == 0) return *place.above;
  if (place.key == kNoObject) {
    return capped(*place.above + "[" + std::to_string(place.index) + "]");
  }
  if (const auto name = tree.text(place.key)) return joined_path(*place.above, *name);
  return capped(*place.above + "[" + tree.render(place.key) + "]");
}

}  // namespace torchvet
