// The two loaders of LibTorch that read what others save. torch::load reads modules of TorchScript
// by the names of their attributes: any archive of that sort opens, and into what is the program's
// business. torch::pickle_load reads the pickle of an archive by an unpickler of its own.
#include "formats/loaders/libtorch_load.h"

#include <variant>

#include "formats/loaders/archive_route.h"
#include "formats/loaders/libtorch_pickle.h"
#include "formats/loaders/script_load.h"

namespace torchvet {

LoadOutcome load_libtorch(const Source& source, const Artifact& artifact, const Limits& limits) {
  LoadOutcome outcome = in_cpp(load_program(source, artifact, limits));
  if (outcome.opens != true) return outcome;
  return LoadOutcome::undecided("it depends on what the program is loaded into");
}

LoadOutcome load_libtorch_pickle(const Source& source, const Limits& limits) {
  const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (const auto* ended = std::get_if<LoadOutcome>(&opened)) return in_cpp(*ended);
  return in_cpp(unpickle_as_libtorch(source, std::get<OpenedArchive>(opened).zip, "data", limits));
}

}  // namespace torchvet
