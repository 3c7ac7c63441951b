// SPDX-License-Identifier: Apache-2.0

/// The version of the agent, as `sealtail version`, events and metrics state it.
public let sealtailVersion = "0.1.0"
