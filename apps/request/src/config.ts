import { Type } from 'class-transformer';
import { IsDefined, IsInt, IsString, Max, Min } from 'class-validator';
import { ServiceConfig } from '@writ/service';

export class RequestConfig extends ServiceConfig {
  /** Folder with the key that accepted requests are signed with. */
  @IsDefined() @IsString() keysDir!: string;
  /** Nobody may even ask for a longer life than this; what is granted is policy's business. */
  @IsInt() @Min(1) @Max(36_500) @Type(() => Number) longestDays: number = 3_650;
}
