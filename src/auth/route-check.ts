import { Injectable, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { hasBodyKey } from '../platform/http/contract.js';
import { permissions } from '../roles/permission.js';
import { accessRule } from './access-rule.js';

/** Stops the program at boot if a route has no access rule, or names an unknown permission. */
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
      return [];
    });
  }
}
