#define CATCH_CONFIG_MAIN
#include "unit/catch.h"
