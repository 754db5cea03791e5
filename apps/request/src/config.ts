import { Type } from 'class-transformer';
import { IsDefined, IsInt, IsString, Max, Min } from 'class-validator';
import { ServiceConfig } from '@writ/service';

export class RequestConfig extends ServiceConfig {
  /** Folder with the key that accepted requests are signed with. */
  @IsDefined() @IsString() keysDir!: string;
  /** Nobody may even ask for a longer life than this; what is granted is policy's business. */
  @IsInt() @Min(1) @Max(36_500) @Type(() => Number) longestDays: number = 3_650;
  /** So many submissions a second one caller may send to a replica over HTTP, and twenty seconds' worth of them at once. */
  @IsInt() @Min(1) @Type(() => Number) submissionsPerSecond: number = 50;
  /** So many submissions a second one upstream may send to a replica over the bus, and twenty seconds' worth of them at once. */
  @IsInt() @Min(1) @Type(() => Number) upstreamSubmissionsPerSecond: number = 2_000;
}
