// One method here for each method of the gateway, with the wire's names in params and results. They are bare calls: one
// request each, never repeated.

import { EventEmitter } from "node:events";

export class Methods extends EventEmitter {
  // Sessions

  initiateSession(params, options) {
    return this.call("initiateSession", params, options);
  }
  getConfiguration(params, options) {
    return this.call("getConfiguration", params, options);
  }
  updateSession(params, options) {
    return this.call("updateSession", params, options);
  }
  setSchemas(params, options) {
    return this.call("setSchemas", params, options);
  }
  listSessions(params, options) {
    return this.call("listSessions", params, options);
  }
  deleteSession(params, options) {
    return this.call("deleteSession", params, options);
  }

  // Pushing

  pushTransfer(params, options) {
    return this.call("pushTransfer", params, options);
  }
  planTransfer(params, options) {
    return this.call("planTransfer", params, options);
  }
  beginTransfer(params, options) {
    return this.call("beginTransfer", params, options);
  }
  appendTransfer(params, options) {
    return this.call("appendTransfer", params, options);
  }
  commitTransfer(params, options) {
    return this.call("commitTransfer", params, options);
  }
  getTransfer(params, options) {
    return this.call("getTransfer", params, options);
  }
  listTransfers(params, options) {
    return this.call("listTransfers", params, options);
  }
  getData(params, options) {
    return this.call("getData", params, options);
  }
  getErrors(params, options) {
    return this.call("getErrors", params, options);
  }
  getRecord(params, options) {
    return this.call("getRecord", params, options);
  }
  getStatistics(params, options) {
    return this.call("getStatistics", params, options);
  }
  cancelTransfer(params, options) {
    return this.call("cancelTransfer", params, options);
  }
  retryTransfer(params, options) {
    return this.call("retryTransfer", params, options);
  }
  resolveRecord(params, options) {
    return this.call("resolveRecord", params, options);
  }

  // Identities. `importIdentities` is the client's own, since it may be several calls.

  exportIdentities(params, options) {
    return this.call("exportIdentities", params, options);
  }

  // Webhooks

  listWebhookDeliveries(params, options) {
    return this.call("listWebhookDeliveries", params, options);
  }
  replayWebhook(params, options) {
    return this.call("replayWebhook", params, options);
  }

  // Events

  unsubscribe(params, options) {
    return this.call("unsubscribe", params, options);
  }
  ack(params, options) {
    return this.call("ack", params, options);
  }
  getEvents(params, options) {
    return this.call("getEvents", params, options);
  }

  // Catalogue and control

  getIntegrations(params, options) {
    return this.call("getIntegrations", params, options);
  }
  getTypes(params, options) {
    return this.call("getTypes", params, options);
  }
  ping(params, options) {
    return this.call("ping", params, options);
  }
  health(params, options) {
    return this.call("health", params, options);
  }
  stats(params, options) {
    return this.call("stats", params, options);
  }
  drain(params, options) {
    return this.call("drain", params, options);
  }
  /** `rpc.discover`: the OpenRPC description of the gateway. */
  discover(params, options) {
    return this.call("rpc.discover", params, options);
  }
}
