import { Injectable, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { hasBodyKey } from '../platform/http/contract.js';
import { permissions } from '../roles/permission.js';
import { accessRule } from './access-rule.js';

/**
 * Stops the program at boot if a route has no access rule, names an unknown permission, or reads a key of no known
 * certificate.
 */
@Injectable()
export class RouteCheck implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Throws one error that lists every such route. */
  onModuleInit(): void {
    const controllers = this.discovery
      .getControllers()
      .map(({ metatype }) => metatype)
      .filter((type) => type !== null);
    const faults = controllers.flatMap((controller) => this.faultsOf(controller));
    if (faults.length > 0)
      throw new Error(`Routes without a valid access rule:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }

  private faultsOf(
    controller: NonNullable<ReturnType<DiscoveryService['getControllers']>[number]['metatype']>,
  ): string[] {
    const prototype = controller.prototype as Record<string, object>;
    const routes = this.scanner
      .getAllMethodNames(prototype)
      .filter((name) => Reflect.hasMetadata(METHOD_METADATA, prototype[name] as object));
    return routes.flatMap((name) => {
      const rule = accessRule(prototype[name] as object, controller);
      if (!rule) return [`${controller.name}.${name}: neither @Requires nor @Public`];
      if ('permission' in rule && !permissions.has(rule.permission))
        return [`${controller.name}.${name}: no permission ${rule.permission}`];
      if ('permission' in rule && rule.afterBody && Reflect.getMetadata(hasBodyKey, prototype[name] as object) !== true)
        return [`${controller.name}.${name}: no body after which to refuse`];
      if ('permission' in rule && rule.permission === 'key:read' && !hasId(prototype[name] as object))
        return [`${controller.name}.${name}: no :id of the certificate whose key may be refused`];
      return [];
    });
  }
}

/** A refused key is recorded with the id in the path. */
function hasId(route: object): boolean {
  return String(Reflect.getMetadata(PATH_METADATA, route)).split('/').includes(':id');
}
