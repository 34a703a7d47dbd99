#include "CProtocolFiles.h"
