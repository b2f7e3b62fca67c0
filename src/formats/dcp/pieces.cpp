#include "formats/dcp/pieces.h"

#include <utility>

namespace torchvet {

TensorId add_tensor_of_pieces(Tensor tensor, Storage storage, bool whole, Artifact& artifact) {
  storage.present = whole;
  if (!whole) {
    storage.pieces.clear();
  } else if (storage.pieces.size() == 1) {
    tensor.strides = storage.pieces[0].strides;
    storage.bytes = storage.pieces[0].bytes;
    storage.pieces.clear();
  }
  tensor.device = storage.location;
  tensor.member = storage.member;
  tensor.storage = static_cast<StorageId>(artifact.storages.size());
  artifact.storages.push_back(std::move(storage));
  artifact.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact.tensors.size() - 1);
}

}  // namespace torchvet
